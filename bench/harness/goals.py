"""What was aimed at, beside what was measured. A missed goal stays in the list as missed.

In: results by name. Out: [`Goal`]s. Every figure is computed here from the raw results.
"""

from dataclasses import dataclass

from .figures import mid, of, percent, ratio, rise

Results = dict[str, dict | None]
USUAL, MANY = "compare-2000000", "compare-10000000"
STREAMER = {"engine": "streamer"}


@dataclass(frozen=True)
class Goal:
    """One line: what, the bound, the figure. `met`: None when it was not measured."""

    what: str
    bound: str
    figure: str
    met: bool | None

    @property
    def verdict(self) -> str:
        """As it stands in the table."""
        return {None: "not measured", True: "met", False: "**missed**"}[self.met]


def at_most(what: str, bound: float, value: float | None, write: str = "{:,.2f}") -> Goal:
    """A goal that small figures meet."""
    return Goal(what, "≤ " + write.format(bound), "–" if value is None else write.format(value),
                None if value is None else value <= bound)


def at_least(what: str, bound: float, value: float | None, write: str = "{:,.1f} ×") -> Goal:
    """A goal that large figures meet."""
    return Goal(what, "≥ " + write.format(bound), "–" if value is None else write.format(value),
                None if value is None else value >= bound)


def goals(results: Results) -> list[Goal]:
    """All, in the order of the page."""
    return [*comparison(results), *alone(results), *many_writers(results), *expiring(results), *others(results), *rules(results)]


def runs(results: Results, name: str) -> list[dict]:
    """A measurement's runs; none if it was not made."""
    result = results.get(name)
    return result["runs"] if result else []


def comparison(results: Results) -> list[Goal]:
    """Against the other engines."""
    usual = runs(results, USUAL)

    def fewer(engine: str) -> float | None:
        return ratio(usual, "cpu_seconds", {"engine": engine}, STREAMER)

    both = of(usual, **STREAMER) + of(runs(results, MANY), **STREAMER)
    exact = [run["equal"] for run in both]
    curves = [run["peak_rss_bytes"][0] for run in runs(results, "curves")]
    peak = max([run["peak_rss_bytes"] for run in both] + curves, default=None)
    to_kcat = ratio(usual, "cpu_seconds", STREAMER, {"engine": "kcat"})
    spark, flink = marginal_ratio(results, "spark"), marginal_ratio(results, "flink")
    return [
        Goal("rows equal to the plain computation, to the last digit", "all runs",
             f"{sum(exact)} of {len(exact)} runs", all(exact) if exact else None),
        at_most("CPU-seconds, as a multiple of kcat's", 1.5, to_kcat, "{:,.2f} ×"),
        *layouts(results),
        at_least("CPU-seconds of Spark, as a multiple of ours", 25, fewer("spark")),
        at_least("… of Flink", 15, fewer("flink")),
        at_least("… of the plain Python consumer", 3.5, fewer("python")),
        at_least("marginal rate from 2 to 10 million events, as a multiple of Spark's", 7, spark),
        at_least("… of Flink's", 5, flink),
        at_most("peak RSS with one worker, in any run that is on this page", 64, in_mib(peak), "{:,.0f} MiB"),
    ]


def layouts(results: Results) -> list[Goal]:
    """An event in whatever layout, beside kcat on the same topic."""
    bounds = {
        "own": 1.2, "blanks": 1.5, "field-missing": 1.5, "sorted-keys": 1.5, "nulls-left-out": 1.5,
        "unknown-fields": 1.5,
    }
    measured = runs(results, "layouts")
    return [
        at_most(f"… in the layout {name}", bound, mid(of(measured, layout=name), "times_kcat"), "{:,.2f} ×")
        for name, bound in bounds.items()
    ]


def in_mib(size_bytes: float | None) -> float | None:
    """Bytes as MiB."""
    return None if size_bytes is None else size_bytes / 2**20


def marginal_rate(results: Results, engine: str) -> float | None:
    """Events per CPU-second beyond the first two million."""
    few, many = (mid(of(runs(results, name), engine=engine), "cpu_seconds") for name in (USUAL, MANY))
    if few is None or many is None:
        return None
    events = results[MANY]["parameters"]["events"] - results[USUAL]["parameters"]["events"]
    return events / (many - few)


def marginal_ratio(results: Results, engine: str) -> float | None:
    """Ours divided by another's."""
    ours, theirs = marginal_rate(results, "streamer"), marginal_rate(results, engine)
    return None if ours is None or theirs is None else ours / theirs


def alone(results: Results) -> list[Goal]:
    """The streamer by itself."""
    startup = mid(of(runs(results, "startup"), tables="there"), "first_flush_seconds")
    delivered = of(runs(results, "freshness"), **{"from": "delivery report"})
    fresh = delivered[0]["percentiles_seconds"] if delivered else {}
    idle = runs(results, "idle")
    found = [
        at_most("start to first committed flush, FLUSH_INTERVAL=200ms", 0.5, startup, "{:,.2f} s"),
        at_most("delivery report to visible row, FLUSH_INTERVAL=1s, median", 0.6, fresh.get("50"), "{:,.2f} s"),
        at_most("… 99th percentile", 1.1, fresh.get("99"), "{:,.2f} s"),
        at_most("idle, share of a core", 0.1, None if not idle else mid(idle, "cpu_share") * 100, "{:,.2f} %"),
        at_most("idle, RSS", 20, in_mib(mid(idle, "rss_bytes")), "{:,.0f} MiB"),
    ]
    for curve, span in (("partitions", "1 to 100 partitions"), ("groups", "12 to 10,000 groups")):
        found.append(flat(f"CPU per event from {span}", curve_of(results, curve), 0.10))
    for kind in ("workers", "processes"):
        points = of(runs(results, "scaling"), kind=kind)
        costs = [mid(of(points, **{kind: size}), "cpu_seconds") for size in (1, 2, 3, 4)]
        found.append(flat(f"CPU per event from 1 to 4 {kind}", [] if None in costs else costs, 0.05))
    return found


def curve_of(results: Results, curve: str) -> list[float]:
    """Median CPU-seconds along a curve, which is named after what varies."""
    points = of(runs(results, "curves"), curve=curve)
    return [mid(of(points, **{curve: value}), "cpu_seconds") for value in sorted({run[curve] for run in points})]


def flat(what: str, costs: list[float], bound: float) -> Goal:
    """A cost that may rise by so much at most from its first point to any other."""
    most = max((rise([costs[0], cost]) for cost in costs[1:]), default=None)
    return Goal(what, f"rises by ≤ {percent(bound, 0)}", "–" if most is None else f"{most:+.1%}".replace("%", " %"),
                None if most is None else most <= bound)


def many_writers(results: Results) -> list[Goal]:
    """Processes that write the same rows, keyed by subscriber: beside one process in the same round."""
    drains = of(runs(results, "writers"), kind="drain", key="subscriber")
    one, found = {"processes": 1}, []
    for many in (8, 16):
        found.append(at_least(
            f"events drained a second by {many} processes that write the same rows, as a multiple of one's", 1.0,
            ratio(drains, "events_per_second", {"processes": many}, one), "{:,.2f} ×",
        ))
        found.append(at_most("… CPU-seconds", 1.3, ratio(drains, "cpu_seconds", {"processes": many}, one), "{:,.2f} ×"))
    failed = sum(run["failed_flushes"] for run in drains) if drains else None
    found.append(at_most("… failed flushes", 0, failed, "{:,.0f}"))
    for run in of(runs(results, "writers"), kind="age"):
        bound = max(1.0, 2 * run["processes"] * run["flush_seconds"])
        found.append(at_most(
            f"delivery report to visible row with {run['processes']} processes, 95th percentile", bound,
            run["age_percentiles_seconds"]["95"], "{:,.2f} s",
        ))
    return found


def expiring(results: Results) -> list[Goal]:
    """Minutes that go."""
    days, nights = of(runs(results, "expiry"), kind="days"), of(runs(results, "expiry"), kind="night")
    beside = mid(days, "p95_beside_seconds") / mid(days, "p95_before_seconds") if days else None
    grown = None
    if nights:
        # The first nights fill the space that later ones use again.
        of_nights = [night["table_bytes"] + night["index_bytes"] for night in nights]
        grown = rise([max(of_nights[:5]), of_nights[-1]])
    return [
        at_most("576,000 rows, a day of 400 groups, expire beside live flushes in", 60, for_rows(days, 576_000), "{:,.1f} s"),
        at_most("… 95th percentile of those flushes, as a multiple of before", 1.2, beside, "{:,.2f} ×"),
        Goal("table and indexes after thirty nights, of which each brings a day and lets one go", "no larger than after five",
             "–" if grown is None else f"{grown:+.1%}".replace("%", " %"), None if grown is None else grown <= 0.01),
    ]


def for_rows(days: list[dict], rows: int) -> float | None:
    """The seconds that so many rows take of a run that deleted more."""
    return days[0]["seconds"] / days[0]["rows"] * rows if days else None


def others(results: Results) -> list[Goal]:
    """Producer and batcher."""
    producers = runs(results, "producers")

    def per_million(way: str) -> float | None:
        found = of(producers, way=way)
        return mid(found, "cpu_seconds") / found[0]["events"] * 1e6 if found else None

    day = runs(results, "batch-day")
    psql, batcher = mid(day, "psql_seconds"), mid(day, "batcher_seconds")
    multiple, above = (batcher / psql, (batcher - psql) * 1000) if day else (None, None)
    found = [
        at_most("producer, CPU-seconds per million events to --stdout", 1.0, per_million("stdout")),
        at_most("… to Kafka, delivery reports included", 2.5, per_million("kafka")),
        at_most("a day's batch, as a multiple of the bare SQL by psql", 1.2, multiple, "{:,.2f} ×"),
        at_most("… above it", 50, above, "{:,.0f} ms"),
    ]
    year = runs(results, "batch-year")
    costs = list(quarters([one["seconds"] for one in year[0]["days"]])) if year else []
    return [*found, flat("a year's backfill, a day from the first quarter to the last", costs, 0.10)]


def quarters(values: list[float]) -> tuple[float, float]:
    """The means of the first quarter of some values and of the last."""
    size = max(1, len(values) // 4)
    return sum(values[:size]) / size, sum(values[-size:]) / size


def rules(results: Results) -> list[Goal]:
    """Rules over single subscribers."""
    exact = [run["equal"] for run in of(runs(results, "patterns"), engine="flink")]
    delivered = of(runs(results, "alerts"), **{"from": "delivery report"})
    waited = delivered[0]["percentiles_seconds"]["99"] if delivered else None
    backtests = runs(results, "backtest")
    rate = backtests[0]["events"] / mid(backtests, "cpu_seconds") if backtests else None
    found = [
        Goal("alerts of three rules equal to Flink SQL's, hit by hit", "all runs",
             f"{sum(exact)} of {len(exact)} runs" if exact else "–", all(exact) if exact else None),
        at_most("delivery report to visible alert with 400 groups, 99th percentile", 1.0, waited, "{:,.2f} s"),
    ]
    for hours, mib_max, seconds_max in ((1, 60, 2), (3, 130, 5)):
        found.append(at_most(
            f"memory of ten rules for a million subscribers, windows of {hours} h", mib_max,
            in_mib(rule_memory(results, hours)), "{:,.0f} MiB",
        ))
        rewinds = of(runs(results, "rule-costs"), what="start", hours=hours)
        found.append(at_most("… built again after a start in", seconds_max, mid(rewinds, "rewind_seconds"), "{:,.1f} s"))
    return [*found, at_least("backtest of ten rules, events per CPU-second", 700_000, rate, "{:,.0f}")]


def rule_memory(results: Results, hours: int) -> float | None:
    """By how much the process is larger than without rules."""
    measured = of(runs(results, "rule-costs"), what="memory")
    with_rules, without = (mid(of(measured, hours=length), "rss_bytes") for length in (hours, 0))
    return None if with_rules is None or without is None else with_rules - without
