"""The sections of docs/benchmarks.md, each from one measurement's raw results.

In: the result as `results.write` made it, or None. Out: Markdown. What was not measured says so.
"""

from statistics import median

from . import figures
from .figures import mib, mid, number, of, percent, spread, table
from .goals import Results, goals, marginal_rate, quarters

TITLES = {
    "kcat": "kcat, consume and discard: the ceiling", "streamer": "**streamer**",
    "python": "plain Python: confluent-kafka, orjson, dict", "flink": "Flink SQL with its JDBC sink",
    "spark": "Spark Structured Streaming",
}
NOT_MEASURED = "Not measured yet: `{}`.\n"


def all_goals(results: Results) -> str:
    """The table of goals."""
    rows = [[goal.what, goal.bound, goal.figure, goal.verdict] for goal in goals(results)]
    return table(["goal", "bound", "measured", ""], rows)


def comparison(result: dict | None, command: str) -> str:
    """The engines side by side."""
    if not result:
        return NOT_MEASURED.format(command)
    runs, parameters = result["runs"], result["parameters"]
    rows = []
    for engine in TITLES:
        ours = of(runs, engine=engine)
        if not ours:
            continue
        multiple = figures.ratio(runs, "cpu_seconds", {"engine": engine}, {"engine": "kcat"})
        rate = parameters["events"] / mid(ours, "cpu_seconds")
        rows.append([
            TITLES[engine], spread(ours, "cpu_seconds", number), number(multiple, 1), number(rate, 0),
            spread(ours, "wall_seconds", lambda value: number(value, 1)), number(mid(ours, "first_row_seconds"), 1),
            mib(max(run["peak_rss_bytes"] for run in ours)), outcome(ours),
        ])
    head = ["engine", "CPU-s", "× kcat", "events per CPU-s", "wall s", "first row s", "peak MiB", "rows"]
    absent = [TITLES[engine] for engine in parameters["not_installed"]]
    missing = f"\nNot installed on this machine, so not measured: {', '.join(absent)}.\n" if absent else ""
    return (
        f"{parameters['events']:,} events, {parameters['partitions']} partitions, {parameters['rows_expected']:,} rows "
        f"to come out, repetitions: {parameters['repetitions']}; median (least–greatest).\n\n"
        + table(head, rows) + missing
    )


def outcome(runs: list[dict]) -> str:
    """Whether what an engine stored is what had to come out; the worst run counts."""
    if "equal" not in runs[0]:
        return "stores nothing"
    if all(run["equal"] for run in runs):
        return "exact"
    worst = max(runs, key=lambda run: (run["rows_wrong"], run["rows_unexpected"], run["events_missing"]))
    faults = []
    if worst["rows_wrong"] or worst["rows_unexpected"]:
        faults.append(f"**{worst['rows_wrong']} rows wrong, {worst['rows_unexpected']} that should not be**")
    if worst["rows_missing"]:
        faults.append(f"{worst['events_missing']:,} events in {worst['rows_missing']} rows missing")
    if worst["rows_with_inexact_mb"]:
        faults.append(f"MB of {worst['rows_with_inexact_mb']} rows off by up to {worst['mb_error_max']:.0e}")
    return "; ".join(faults) + ("" if worst["rows_wrong"] else "; the rest exact")


def marginal(results: Results) -> str:
    """Events per CPU-second once warm."""
    rows = [[TITLES[engine], number(marginal_rate(results, engine), 0)] for engine in TITLES]
    return table(["engine", "events per further CPU-s, from 2 to 10 million"], rows)


def curves(result: dict | None) -> str:
    """Cost per event against partitions and groups."""
    if not result:
        return NOT_MEASURED.format("make bench-curves")
    rows = []
    for curve, axis in (("partitions", "partitions"), ("groups", "groups")):
        points = of(result["runs"], curve=curve)
        for value in sorted({run[axis] for run in points}):
            found = of(points, **{axis: value})
            micros = mid(found, "cpu_seconds") / result["parameters"]["events"] * 1e6
            kcat = mid(found, "kcat_cpu_seconds") / result["parameters"]["events"] * 1e6
            name = f"{value:,} {curve}" if value > 1 else f"1 {curve.removesuffix('s')}"
            rows.append([name, number(micros), number(kcat), number(mid(found, "rows"), 0),
                         mib(max(run["peak_rss_bytes"][0] for run in found))])
    return table(["", "streamer, µs an event", "kcat, µs an event", "rows stored", "peak MiB"], rows)


def scaling(result: dict | None) -> str:
    """Workers and processes."""
    if not result:
        return NOT_MEASURED.format("make bench-scaling")
    rows = []
    for kind, singular in (("workers", "worker"), ("processes", "process")):
        for size in (1, 2, 3, 4):
            found = of(result["runs"], kind=kind, **{kind: size})
            if not found:
                continue
            peaks = [max(run["peak_rss_bytes"]) for run in found]
            rows.append([
                f"1 {singular}" if size == 1 else f"{size} {kind}",
                number(mid(found, "cpu_seconds") / result["parameters"]["events"] * 1e6),
                spread(found, "cpu_seconds", number), spread(found, "wall_seconds", number), mib(max(peaks)),
            ])
    return (
        f"{result['parameters']['events']:,} events, {result['parameters']['partitions']} partitions; the broker and "
        "PostgreSQL share the machine's cores with them.\n\n"
        + table(["", "CPU µs an event", "CPU-s", "wall s", "peak MiB of a process"], rows)
    )


def writers(result: dict | None) -> str:
    """Processes that write the same rows."""
    if not result:
        return NOT_MEASURED.format("make bench-writers")
    rows = []
    for key in ("subscriber", "region"):
        points = of(result["runs"], kind="drain", key=key)
        for processes in sorted({run["processes"] for run in points}):
            found = of(points, processes=processes)
            rows.append([
                f"key {key}, {processes} process{'es' if processes > 1 else ''}",
                spread(found, "events_per_second", lambda value: number(value, 0)), spread(found, "cpu_seconds", number),
                str(sum(run["failed_flushes"] for run in found)), number(mid(found, "row_writes"), 0),
                number(mid(found, "wal_bytes") / 1e6, 0),
            ])
    given = result["parameters"]
    said = (
        f"{given['events']:,} events, {given['partitions']} partitions, {given['groups']:,} groups a minute, "
        f"FLUSH_INTERVAL={given['flush_interval']}, drained; repetitions: {given['repetitions']}, by turns; median "
        "(least–greatest). The broker and PostgreSQL share the machine's cores with all processes.\n\n"
        + table(["", "events a second", "CPU-s", "failed flushes", "rows written", "MB of WAL"], rows)
    )
    for run in of(result["runs"], kind="age"):
        at = run["age_percentiles_seconds"]
        said += (
            f"\n{run['processes']} processes on live events, {given['age_events_per_second']} a second: a row is visible "
            f"{at['50']:.2f} s after its event's delivery (median; p95 {at['95']:.2f} s, greatest {at['100']:.2f} s). A flush takes "
            f"{run['flush_seconds']:.3f} s, its wait {run['turn_wait_seconds']:.3f} s; the longest interval in the end "
            f"{run['flush_interval_seconds']:.2f} s; {run['failed_flushes']} failed flushes, {run['turns_missed']} turns missed.\n"
        )
    return said


LAYOUTS = {
    "own": "as the producer writes it", "blanks": "blanks after colons and commas (Python's json.dumps)",
    "field-missing": "compact, a field missing", "sorted-keys": "compact, keys sorted",
    "nulls-left-out": "compact, nulls left out", "unknown-fields": "compact, five unknown fields, one of them an object",
    "pretty": "a line for each member",
}


def layouts(result: dict | None) -> str:
    """Cost per event against the way in which it is written."""
    if not result:
        return NOT_MEASURED.format("make bench-layouts")
    rows = []
    for name, title in LAYOUTS.items():
        found = of(result["runs"], layout=name)
        if found:
            rows.append([
                title, spread(found, "times_kcat", number),
                number(mid(found, "cpu_seconds") / result["parameters"]["events"] * 1e6),
                number(mid(found, "kcat_cpu_seconds") / result["parameters"]["events"] * 1e6),
            ])
    return (
        f"{result['parameters']['events']:,} events, {result['parameters']['partitions']} partitions, start included, "
        f"repetitions: {result['parameters']['repetitions']}; median (least–greatest). kcat reads the same topic right before.\n\n"
        + table(["the same events", "× kcat", "streamer, µs an event", "kcat, µs an event"], rows)
    )


def latencies(results: Results) -> str:
    """Freshness, start and rest."""
    rows = []
    fresh = results["freshness"]
    for run in fresh["runs"] if fresh else []:
        shown = run["percentiles_seconds"]
        rows.append([f"from {run['from']} to visible row, FLUSH_INTERVAL={fresh['parameters']['flush_interval']}",
                     *(number(shown[name]) + " s" for name in ("50", "99", "100"))])
    startup = results["startup"]
    for tables in ("there", "made at the start"):
        seconds = sorted(run["first_flush_seconds"] for run in of(startup["runs"], tables=tables)) if startup else []
        if seconds:
            middle = mid(of(startup["runs"], tables=tables), "first_flush_seconds")
            rows.append([f"start to first committed flush, FLUSH_INTERVAL=200ms, tables {tables}",
                         number(middle) + " s", "–", number(seconds[-1]) + " s"])
    if not rows:
        return NOT_MEASURED.format("make bench-latency")
    idle = results["idle"]
    at_rest = "" if not idle else (
        f"\nIdle for {idle['parameters']['seconds']} s: {percent(mid(idle['runs'], 'cpu_share'), 3)} of a core, "
        f"{number(mid(idle['runs'], 'rss_bytes') / 2**20, 1)} MiB.\n"
    )
    return table(["", "median", "99th percentile", "greatest"], rows) + at_rest


def producers(result: dict | None) -> str:
    """What a million events cost to make."""
    if not result:
        return NOT_MEASURED.format("make bench-producer")
    titles = {
        "stdout": "`producer --stdout`", "stdout, scenario kazakhstan": "`producer --stdout --scenario kazakhstan`",
        "kafka": "`producer` to Kafka, delivery reports included",
        "python": "the Python program (kafka-python, json), without its sleeps",
    }
    rows = []
    for way, title in titles.items():
        found = of(result["runs"], way=way)
        if found:
            events = found[0]["events"]
            rows.append([
                title, f"{events:,}", spread(found, "cpu_seconds", lambda value, n=events: number(value / n * 1e6)),
                number(events / mid(found, "wall_seconds"), 0), mib(max(run["peak_rss_bytes"] for run in found)),
            ])
    return table(["", "events", "CPU-s a million", "events a second", "peak MiB"], rows)


def batches(results: Results) -> str:
    """A day, a year, many regions."""
    parts = []
    day = results["batch-day"]
    if day:
        rows = []
        for name, title in (("psql_seconds", "bare SQL by psql"), ("batcher_seconds", "batcher")):
            millis = [run[name] * 1000 for run in day["runs"]]
            rows.append([title, number(median(millis), 0), number(min(millis), 0), number(max(millis), 0)])
        parts.append(
            f"A day of {day['parameters']['windows']:,} windows and {day['parameters']['sketches']:,} sketches, "
            f"{len(day['runs'])} times by turns; the whole process, connecting included.\n\n"
            + table(["", "median ms", "least", "greatest"], rows)
        )
    rows = []
    for name, title in (("batch-year", "a year"), ("batch-regions", "30 days")):
        result = results[name]
        if result:
            run = result["runs"][0]
            seconds = [one["seconds"] * 1000 for one in run["days"]]
            first, last = quarters(seconds)
            rows.append([
                f"{title}, {result['parameters']['regions']:,} regions", str(len(seconds)),
                f"{result['parameters']['windows']:,}", number(run["wall_seconds"], 1),
                number(first, 1), number(last, 1), number(max(seconds), 1), mib(run["peak_rss_bytes"]),
            ])
    if rows:
        head = ["backfill", "days", "windows", "wall s", "ms a day, first quarter", "last", "slowest", "peak MiB"]
        parts.append(table(head, rows))
    return "\n".join(parts) or NOT_MEASURED.format("make bench-batcher")


def flushes(results: Results) -> str:
    """The transaction against its size, and the tables after many."""
    parts = []
    flush = results["flush"]
    if flush:
        rows = [[f"{run['groups']:,} groups, {run['writes']}", number(run["rows_per_flush"], 0),
                 number(run["seconds_per_flush"] * 1000, 1),
                 number(run["rows_per_second"], 0), number(run["wal_bytes_per_flush"], 0),
                 number(run["wal_bytes_per_flush"] / run["rows_per_flush"], 0)] for run in flush["runs"]]
        parts.append(table(["", "rows a flush", "ms a flush", "rows a second", "bytes of WAL a flush", "a row"], rows))
    bloat = results["bloat"]
    if bloat:
        rows = [[f"`{run['relname']}`", f"{run['n_live_tup']:,}", f"{run['n_tup_upd']:,}",
                 percent(run["n_tup_hot_upd"] / run["n_tup_upd"] if run["n_tup_upd"] else None),
                 number(run["bytes"] / 1024, 0), number(run["index_bytes"] / 1024, 0), str(run["autovacuum_count"])]
                for run in bloat["runs"]]
        shown = bloat["parameters"]
        parts.append(
            f"After {shown['flushes']:,} flushes in {shown['seconds']:.0f} s "
            f"({shown['rate_per_second']:,} live events a second, FLUSH_INTERVAL={shown['flush_interval']}):\n\n"
            + table(["table", "rows", "updates", "HOT", "KiB", "KiB of indexes", "autovacuums"], rows)
        )
    return "\n".join(parts) or NOT_MEASURED.format("make bench-flush")


def expiry(result: dict | None) -> str:
    """A large day that goes, and the tables through many nights."""
    if not result:
        return NOT_MEASURED.format("make bench-expiry")
    given = result["parameters"]
    days, = of(result["runs"], kind="days")
    nights = of(result["runs"], kind="night")
    rows = [
        [f"night {night['night']}", f"{night['rows']:,}", number(night["seconds"], 1), mib(night["table_bytes"]), mib(night["index_bytes"])]
        for night in nights if night["night"] in (1, 5, 10, 20) or night is nights[-1]
    ]
    return (
        f"{days['days']} days of {given['day_groups']} groups, {days['rows']:,} rows, go in {days['seconds']:.1f} s, while a streamer stores "
        f"{given['live_events_per_second']:,} events a second of as many groups, FLUSH_INTERVAL={given['flush_interval']}. 95 of 100 of its "
        f"flushes take at most {days['p95_before_seconds'] * 1000:.0f} ms before ({days['flushes_before']} flushes) and "
        f"{days['p95_beside_seconds'] * 1000:.0f} ms meanwhile ({days['flushes_beside']}). `streamer verify` holds afterwards.\n\n"
        f"Nights in which a day of {given['night_groups']} groups comes and one goes, {given['days_kept']} are there; vacuumed each "
        "night:\n\n" + table(["", "rows", "seconds to expire", "MiB of the table", "of its indexes"], rows)
    )
