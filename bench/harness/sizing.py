"""How much a deployment needs, from what was measured: the table of docs/scaling.md; `--check` fails when it is another.

In: bench/results (curves, flush, writers). Out: between the two marks of docs/scaling.md, a row for each of `DEPLOYMENTS`, and
the model's figures beside a run's. Needs nothing but Python.
"""

import sys
from dataclasses import dataclass

from . import results
from .figures import mid, number, of, table
from .goals import Results
from .places import REPOSITORY

PAGE = REPOSITORY / "docs" / "scaling.md"
BEGIN, END = "<!-- sizing: bench/harness/sizing.py -->\n", "<!-- end of sizing -->"
# A row of real_time_metrics with its three indexes, after a day of updates.
ROW_BYTES = 237
DAY_MINUTES = 1_440
# A worker that is busy for more than this share of a core has nothing left for a burst.
WORKER_SHARE_MAX = 0.5


@dataclass(frozen=True)
class Deployment:
    """What comes in, and how it is read. `groups`: types × regions."""

    name: str
    events_per_second: int
    groups: int
    processes: int
    interval_seconds: float
    by_region: bool = False


DEPLOYMENTS = (
    Deployment("the demo's day", 2, 40, 1, 30),
    Deployment("ten regions, a small country", 2_000, 40, 1, 30),
    Deployment("ten regions, a large operator", 50_000, 40, 3, 30),
    Deployment("1,000 districts", 20_000, 4_000, 2, 30),
    Deployment("1,000 districts, fresh within seconds", 20_000, 4_000, 4, 5),
    Deployment("the same, keyed by region", 20_000, 4_000, 4, 5, by_region=True),
    Deployment("10,000 cells", 50_000, 40_000, 8, 30),
    Deployment("the same, keyed by region", 50_000, 40_000, 8, 30, by_region=True),
)


@dataclass(frozen=True)
class Slopes:
    """What one more costs: CPU-seconds of the streamer an event and a row, seconds of PostgreSQL's one writing session a row."""

    event_seconds: float
    row_seconds: float
    session_row_seconds: float


def slopes(found: Results) -> Slopes | None:
    """From the curve of groups (two ends of a line), and from the flushes that update 400 rows and more."""
    if not found["curves"] or not found["flush"]:
        return None
    events = found["curves"]["parameters"]["events"]
    points = of(found["curves"]["runs"], curve="groups")
    few, many = (of(points, groups=groups) for groups in (min(run["groups"] for run in points), max(run["groups"] for run in points)))
    row_seconds = (mid(many, "cpu_seconds") - mid(few, "cpu_seconds")) / (mid(many, "rows") - mid(few, "rows"))
    event_seconds = (mid(few, "cpu_seconds") - row_seconds * mid(few, "rows")) / events
    updates = [run for run in of(found["flush"]["runs"], writes="update") if run["groups"] >= 400]
    return Slopes(event_seconds, row_seconds, 1 / mid(updates, "rows_per_second"))


def row_writes_per_second(deployment: Deployment) -> float:
    """A flush writes each group that had an event since the one before; keyed by subscriber, every process has them all.

    Events fall on groups at random: of g groups, n events touch g (1 − (1 − 1/g)ⁿ).
    """
    processes = deployment.processes
    groups = deployment.groups / processes if deployment.by_region else deployment.groups
    events = deployment.events_per_second * deployment.interval_seconds / processes
    touched = groups * (1 - (1 - 1 / groups) ** events)
    return processes * touched / deployment.interval_seconds


def row(deployment: Deployment, cost: Slopes) -> list[str]:
    """One line of the table."""
    writes = row_writes_per_second(deployment)
    cores = deployment.events_per_second * cost.event_seconds + writes * cost.row_seconds
    session = writes * cost.session_row_seconds
    gigabytes = deployment.groups * DAY_MINUTES * ROW_BYTES * 365 / 1e9
    busy = f"{session:.0%}".replace("%", " %") + (" **too much**" if session > 1 else "")
    fits = f"{cores:.2f}" + (" **too few**" if cores / deployment.processes > WORKER_SHARE_MAX else "")
    return [
        deployment.name, number(deployment.events_per_second, 0), number(deployment.groups, 0), str(deployment.processes),
        f"{deployment.interval_seconds:g} s", fits, number(writes, 0), busy, number(gigabytes, 0),
    ]


def beside_a_run(found: Results, cost: Slopes) -> str:
    """The model beside what one process was measured to need on the topic of `make bench-writers`."""
    measured = found["writers"]
    runs = of(measured["runs"], kind="drain", key="subscriber", processes=1) if measured else []
    if not runs:
        return "Not measured yet: `make bench-writers`.\n"
    events, writes = measured["parameters"]["events"], mid(runs, "row_writes")
    predicted = events * cost.event_seconds + writes * cost.row_seconds
    seconds = writes * cost.session_row_seconds
    rows = [
        ["the streamer's CPU-seconds", number(predicted), number(mid(runs, "cpu_seconds"))],
        ["seconds from start to end, at least the session's", number(seconds, 1), number(mid(runs, "wall_seconds"), 1)],
    ]
    return (
        f"Beside a run of one process, {events:,} events in {measured['parameters']['groups']:,} groups a minute, "
        f"{writes:,.0f} rows written:\n\n" + table(["", "from the slopes", "measured"], rows)
    )


def text(found: Results) -> str:
    """What stands between the marks."""
    cost = slopes(found)
    if cost is None:
        return "Not measured yet: `make bench-curves bench-flush`.\n"
    head = [
        "deployment", "events/s", "groups a minute", "processes", "interval", "streamers' cores", "row writes/s",
        "the writing session is busy", "GB a year",
    ]
    return (
        f"Slopes: {cost.event_seconds * 1e6:.2f} µs of a core an event and {cost.row_seconds * 1e6:.1f} µs a row written in the streamer, "
        f"{cost.session_row_seconds * 1e6:.0f} µs a row in the session of PostgreSQL that writes, {ROW_BYTES} bytes a row on disk.\n\n"
        + table(head, [row(deployment, cost) for deployment in DEPLOYMENTS]) + "\n" + beside_a_run(found, cost)
    )


def page() -> str:
    """The whole page as it should be."""
    found = {name: results.read(name) for name in ("curves", "flush", "writers")}
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + text(found) + END + after


def main() -> None:
    """Writes, or checks."""
    wanted = page()
    if PAGE.read_text(encoding="utf-8") == wanted:
        print("docs/scaling.md is as it was")
    elif "--check" in sys.argv:
        sys.exit("docs/scaling.md: not what bench/results says; write it with `make bench-page`")
    else:
        PAGE.write_text(wanted, encoding="utf-8")
        print("wrote docs/scaling.md")


if __name__ == "__main__":
    main()
