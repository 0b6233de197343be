"""Writes docs/benchmarks.md and its charts from the raw results; `--check` fails when they are not what those say.

Needs nothing but Python, so that the check runs everywhere.
"""

import sys
from pathlib import Path

from . import chart, results, rules, sections
from .figures import mid, number, of
from .goals import MANY, USUAL, Results
from .places import REPOSITORY

NAMES = (
    USUAL, MANY, "layouts", "curves", "scaling", "writers", "startup", "freshness", "idle", "producers", "batch-day",
    "batch-year", "batch-regions", "flush", "bloat", "expiry", "patterns", "alerts", "rule-costs", "backtest",
)
PAGE = """# Benchmarks

Made by `make bench-page` from the raw results in [bench/results](../bench/results); a test compares them. Nothing here is
typed by hand or estimated.

## Goals

{goals}
## The same work by other engines

{engines_text}

{comparison}
{bars}
### Ten million events

{many}
Start-up, compilation of the JVM and the first windows weigh less the more events there are. What remains:

{marginal}
## Layouts of an event

{layouts}
## What an event costs

{curves}
{lines}
## Freshness, start, rest

{latencies}
## Workers and processes

{scaling}
## Many writers

{writers}
## Producer

{producers}
## Batcher

{batches}
## Flushes

{flushes}
## Expiry

{expiry}
## Rules

{rules}
## How it is measured

{method}

{provenance}
"""
ENGINES_TEXT = """From real Kafka into real PostgreSQL: counts and exact sums per minute of event time, type and region; late by at most two
minutes. The engines run one after another, and all of them before any runs again: a machine's speed drifts, so only ratios inside
one such round mean something. The programs are in [bench/peers](../bench/peers)."""
METHOD = """- `make bench` loads and runs the comparison; `make bench EVENTS=200000 REPETITIONS=1` is a quick try. `make bench-all` measures
  everything on this page, for about an hour. No other work may run on the machine meanwhile; where some did, or the programs were not
  built for release, the table below says so. The scripts are in [bench/harness](../bench/harness), one per section.
- Events: the producer's own, seed 1, 20 minutes of event time in order. The broker, its disk and PostgreSQL are on the same
  machine, and their cost is in no figure.
- CPU-seconds: user and system of an engine's whole process tree, from its start to its end, as the kernel charged them. A process
  whose parent has ended is handed to the one that measures, so nothing is lost. Spark does not end by itself: of it, until its last
  row is visible.
- Peak MiB: the greatest sum of the resident sets of the tree, looked at ten times a second, of all repetitions.
- First row: when a query every 50 ms first sees one.
- Rows: compared with a plain computation in exact decimals that shares no code with any engine. Sums of MB and tenge are compared
  as doubles, to the last bit.
- Spark writes a window when the watermark has passed its end, so the last windows stay away until newer events come. It is spared
  the replaced job's 30 s between batches and Spark's usual 200 shuffle partitions. Flink's read ends at the log's end, which closes
  all windows. The Python program has no recovery, no late events and no dead letters. Ours does all that in the same run."""


def main() -> None:
    """Writes, or checks."""
    found = {name: results.read(name) for name in NAMES}
    stale = []
    for path, content in files(found).items():
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            stale.append(str(path.relative_to(REPOSITORY)))
            if "--check" not in sys.argv:
                path.write_text(content, encoding="utf-8")
    if "--check" not in sys.argv:
        print(f"wrote {', '.join(stale)}" if stale else "all is as it was")
    elif stale:
        sys.exit(f"not what bench/results says: {', '.join(stale)}; write them with `make bench-page`")


def files(found: Results) -> dict[Path, str]:
    """The page and its charts, by path."""
    charts = {"benchmarks-engines.svg": bars(found[USUAL]), "benchmarks-curves.svg": lines(found["curves"])}
    charts = {name: content for name, content in charts.items() if content}

    def image(name: str, title: str) -> str:
        return f"![{title}]({name})\n" if name in charts else ""

    page = PAGE.format(
        goals=sections.all_goals(found),
        engines_text=ENGINES_TEXT,
        comparison=sections.comparison(found[USUAL], "make bench"),
        bars=image("benchmarks-engines.svg", "CPU-seconds and peak memory of each engine"),
        many=sections.comparison(found[MANY], "make bench EVENTS=10000000"),
        marginal=sections.marginal(found),
        layouts=sections.layouts(found["layouts"]),
        curves=sections.curves(found["curves"]),
        lines=image("benchmarks-curves.svg", "CPU per event against partitions and groups"),
        latencies=sections.latencies(found),
        scaling=sections.scaling(found["scaling"]),
        writers=sections.writers(found["writers"]),
        producers=sections.producers(found["producers"]),
        batches=sections.batches(found),
        flushes=sections.flushes(found),
        expiry=sections.expiry(found["expiry"]),
        rules=rules.section(found),
        method=METHOD,
        provenance=provenance(found),
    )
    docs = REPOSITORY / "docs"
    return {docs / "benchmarks.md": page, **{docs / name: content for name, content in charts.items()}}


def bars(result: dict | None) -> str:
    """CPU-seconds and peak memory of the engines."""
    if not result:
        return ""
    cpu, memory = [], []
    for engine, title in sections.TITLES.items():
        runs = of(result["runs"], engine=engine)
        if runs:
            label = title.replace("*", "").partition(":")[0].partition(", ")[0].removesuffix(" with its JDBC sink")
            seconds = mid(runs, "cpu_seconds")
            peak = max(run["peak_rss_bytes"] for run in runs) / 2**20
            cpu.append((label, seconds, number(seconds), engine == "streamer"))
            memory.append((label, peak, number(peak, 0), engine == "streamer"))
    events = f"{result['parameters']['events']:,} events"
    return chart.bars([(f"CPU-seconds for {events}", cpu), ("Peak memory, MiB", memory)])


def lines(result: dict | None) -> str:
    """Cost per event."""
    if not result:
        return ""
    panels = []
    for axis in ("partitions", "groups"):
        runs = of(result["runs"], curve=axis)
        points = []
        for value in sorted({run[axis] for run in runs}):
            points.append((value, mid(of(runs, **{axis: value}), "cpu_seconds") / result["parameters"]["events"] * 1e6))
        panels.append(("CPU µs an event", axis, points))
    return chart.lines(panels)


def provenance(found: Results) -> str:
    """Machine, versions and commands of each measurement."""
    made = [(name, result) for name, result in found.items() if result]
    text = "| raw result | measured | commit | machine |\n|---|---|---|---|\n"
    for name, result in made:
        machine = result["machine"]
        text += (
            f"| [{name}](../bench/results/{name}.json) | {result['measured_at']} | `{result['commit']}`{made_otherwise(result)} | "
            f"{machine['processor']}, {machine['cores']} cores, {machine['memory']}, {machine['system']} |\n"
        )
    usual = found[USUAL] or found[MANY]
    if usual:
        text += "\nVersions and commands of the comparison:\n\n```text\n"
        text += "\n".join(f"{name:<10} {version}" for name, version in usual["versions"].items() if version)
        text += f"\n\nload       {usual['parameters']['load']}\n"
        commands = {run["engine"]: run["command"] for run in usual["runs"]}
        text += "\n".join(f"{engine:<10} {command}" for engine, command in commands.items()) + "\n```\n"
    return text.rstrip()


def made_otherwise(result: dict) -> str:
    """What is not as the page says that it is: another profile than release, a machine that was not left alone."""
    profile = result.get("programs", "release")
    built = "" if profile == "release" else f", built with the profile `{profile}`"
    meanwhile = result.get("meanwhile")
    return built + (f"; meanwhile: {meanwhile}" if meanwhile else "")


if __name__ == "__main__":
    main()
