"""The section of docs/benchmarks.md about rules over single subscribers.

In: results by name. Out: Markdown. What was not measured says so.
"""

from .figures import mib, mid, number, of, spread, table
from .goals import Results, in_mib, rule_memory

ENGINES = {
    "streamer": "**streamer**, which counts its minutes besides", "streamer without rules": "the same without rules",
    "flink": "Flink SQL: two OVER windows, one MATCH_RECOGNIZE",
}
TITLES = {
    "many_messages": "8 messages within 10 minutes (OVER … RANGE)",
    "many_numbers": "calls to 6 different numbers within an hour (OVER … RANGE, COUNT(DISTINCT))",
    "called_back": "a missed call, and one back to the same number within 30 minutes (MATCH_RECOGNIZE)",
}
SAID = """What both find is compared hit by hit: by rule, subscriber and bucket the number of hits, the moment of the first one, and what it
measured. Flink's RANGE frame holds its far end and ours does not, so its intervals are a millisecond shorter; event times are cut to milliseconds,
as Flink's are; a subscriber's second event of one millisecond is left out ({left_out} of {all}), for such are peers to Flink, whichever came first. Somebody
at the very edge of each window is in the log. Of the sequence Flink names each pair of calls once; that each call which is looked for is a
hit while the window holds both is added by the harness, so Flink has less to do. It counts no minutes either."""


def section(results: Results) -> str:
    """All of it."""
    parts = [beside_flink(results["patterns"]), visible(results["alerts"]), costs(results), backtest(results["backtest"])]
    return "\n".join(parts)


def beside_flink(result: dict | None) -> str:
    """The same rules by both."""
    if not result:
        return "Three rules beside Flink SQL: not measured yet (`make bench-rules`).\n"
    runs, given = result["runs"], result["parameters"]
    rows = []
    for engine, title in ENGINES.items():
        ours = of(runs, engine=engine)
        rows.append([
            title, spread(ours, "cpu_seconds", number), number(given["events"] / mid(ours, "cpu_seconds"), 0),
            spread(ours, "wall_seconds", lambda value: number(value, 1)), mib(max(run["peak_rss_bytes"] for run in ours)),
        ])
    theirs, ours = of(runs, engine="flink"), of(runs, engine="streamer")
    found = [[title, f"{ours[0]['found'][rule]['alerts']:,}", f"{ours[0]['found'][rule]['hits']:,}",
              f"{theirs[0]['found'][rule]['alerts']:,}", f"{theirs[0]['found'][rule]['hits']:,}"]
             for rule, title in TITLES.items()]
    equal = sum(run["equal"] for run in theirs)
    said = SAID.format(left_out=f"{given['events_left_out']:,}", all=f"{given['events'] + given['events_left_out']:,}")
    return (
        f"Three rules, {given['events']:,} events of the world `lifelike` ({given['from']} to {given['to']}), none of them late, {given['partitions']} partitions; "
        f"repetitions: {given['repetitions']}, by turns; median (least–greatest).\n\n"
        + table(["", "CPU-s", "events per CPU-s", "wall s", "peak MiB"], rows) + "\n"
        + table(["rule", "alerts", "hits", "Flink's alerts", "Flink's hits"], found)
        + f"\nEqual in {equal} of {len(theirs)} runs. {said}\n"
    )


def visible(result: dict | None) -> str:
    """From an event to the alert that it makes."""
    if not result:
        return "From an event to its alert: not measured yet (`make bench-rules`).\n"
    given = result["parameters"]
    rows = [[f"from {run['from']} to visible alert", *(number(run["percentiles_seconds"][name]) + " s" for name in ("50", "99", "100"))]
            for run in result["runs"]]
    return (
        f"{given['rate_per_second']:,} live events a second in {given['groups']} groups, and {result['runs'][0]['alerts']:,} alerts of a rule in live mode "
        f"within {given['seconds']} s, FLUSH_INTERVAL as it is by default. {given['flushes']:.0f} flushes of {given['rows_per_flush']:.0f} rows took "
        f"{given['seconds_per_flush'] * 1000:.0f} ms each.\n\n" + table(["", "median", "99th percentile", "greatest"], rows)
    )


def costs(results: Results) -> str:
    """Memory, and building it again."""
    result = results["rule-costs"]
    if not result:
        return "Memory and rewinds: not measured yet (`make bench-rules`).\n"
    runs, given = result["runs"], result["parameters"]
    rows = []
    for hours in (1, given["hours"]):
        memory, starts = of(runs, what="memory", hours=hours)[0], of(runs, what="start", hours=hours)
        rows.append([
            f"{hours} h", f"{memory['events_held']:,.0f}", number(in_mib(memory["rule_bytes"]), 0),
            number(in_mib(rule_memory(results, hours)), 0), spread(starts, "rewind_seconds", lambda value: number(value, 1)),
            spread(starts, "rewind_cpu_seconds", lambda value: number(value, 1)),
        ])
    return (
        f"The ten rules of the example, {given['subscribers']:,} subscribers in an evening ({given['events_per_subscriber_and_hour']} events each "
        f"in an hour), {given['partitions']} partitions of one worker. A start at the end of the log, and what it takes longer than without rules; "
        f"repetitions: {given['repetitions']}.\n\n"
        + table(["windows", "events held", "MiB by the streamer's own count", "MiB that the process is larger", "rewind s", "rewind CPU-s"], rows)
    )


def backtest(result: dict | None) -> str:
    """Trying rules on what was counted."""
    if not result:
        return "Backtests: not measured yet (`make bench-rules`).\n"
    runs, events = result["runs"], result["parameters"]["events"]
    return (
        f"`rules backtest` of the same rules over {events:,} events of a day of `lifelike`: {number(events / mid(runs, 'cpu_seconds'), 0)} events per "
        f"CPU-second, {spread(runs, 'wall_seconds', lambda value: number(value, 1))} s, {mib(max(run['peak_rss_bytes'] for run in runs))} MiB; "
        f"repetitions: {result['parameters']['repetitions']}.\n"
    )
