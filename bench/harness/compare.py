"""The comparison: the same events from Kafka into PostgreSQL, by each engine, one after another, interleaved.

Arguments: --events N --repetitions N --engines NAME,…  Each repetition runs every engine once, so that a change of
the machine's speed meets all of them; only ratios within a repetition mean something. Out: results/compare-EVENTS.json.
"""

import argparse
import time
from pathlib import Path

from . import oracle, results, sections
from .engines import ENGINES, Engine, server_versions, work_folder
from .places import shown
from .process import Cost, Measured
from .results import say
from .rows import compare
from .servers import Database, Topic, connect, load

PARTITIONS = 3
LOOK_EVERY_SECONDS = 0.05
RUN_SECONDS_MAX = 600


def main() -> None:
    """Loads, runs, writes."""
    arguments = parse()
    chosen = [engine for engine in ENGINES if engine.name in arguments.engines]
    absent = [engine for engine in chosen if not engine.needs().exists()]
    engines = [engine for engine in chosen if engine not in absent]
    versions = {engine.name: engine.version() for engine in engines}
    with Database() as database:
        versions |= server_versions(database)
    for name, version in versions.items():
        say(f"{name}: {version}")
    for engine in absent:
        say(f"{engine.name}: not installed, so not measured")
    with Topic(PARTITIONS) as topic:
        say(f"loading {arguments.events:,} events into {PARTITIONS} partitions")
        load_command = load(topic, arguments.events)
        say("computing what must come out")
        expected = oracle.expected(topic.name)
        if expected.events != arguments.events:
            raise RuntimeError(f"{expected.events} events are in the topic, {arguments.events} were sent")
        runs = []
        for repetition in range(1, arguments.repetitions + 1):
            for engine in engines:
                runs.append({"repetition": repetition, **run(engine, topic, expected)})
    parameters = {
        "events": arguments.events, "partitions": PARTITIONS, "repetitions": arguments.repetitions,
        "load": shown(load_command), "rows_expected": len(expected.rows),
        "not_installed": [engine.name for engine in absent],
    }
    name = f"compare-{arguments.events}"
    results.write(name, parameters, runs, versions)
    say(sections.comparison(results.read(name), ""))


def run(engine: Engine, topic: Topic, expected: oracle.Expected) -> dict:
    """One engine, once, on a database of its own."""
    with Database() as database, work_folder() as folder:
        engine.prepare(database)
        to_run = engine.run(topic, database, Path(folder))
        log = Path(folder) / "log"
        command = shown(to_run.command, folder)
        say(f"$ {command}")
        wanted = expected.rows if engine.lateness is None else expected.closed(engine.lateness)
        with Measured(to_run.command, to_run.environment, log=str(log) if engine.stores else None) as measured:
            watched = watch(measured, database, sum(row.events for row in wanted.values()), engine)
            cost = measured.stop() if measured.is_running() else measured.wait()
        if engine.lateness is None and cost.exit_code != 0:
            raise RuntimeError(f"{engine.name} ended with {cost.exit_code}:\n{log.read_text(errors='replace')[-3000:]}")
        comparison = compare(oracle.stored(database.url), expected.rows) if engine.stores else {}
    result = {"engine": engine.name, "command": command, **figures(cost, watched, engine), **comparison}
    say(
        f"{engine.name}: {result['cpu_seconds']:.2f} CPU-s, {result['wall_seconds']:.2f} s, "
        f"{result['peak_rss_bytes'] / 2**20:.0f} MiB" + (f", equal: {result['equal']}" if comparison else "")
    )
    return result


def watch(measured: Measured, database: Database, events: int, engine: Engine) -> dict[str, float]:
    """Looks at the table until the engine has ended, or has stored all that it will."""
    seen: dict[str, float] = {}
    with connect(database.url) as session:
        while measured.is_running() and measured.elapsed_seconds() < RUN_SECONDS_MAX:
            if engine.stores:
                stored = session.execute("SELECT sum(event_count)::bigint FROM real_time_metrics").fetchone()[0]
                if stored is not None:
                    seen.setdefault("first_row_seconds", measured.elapsed_seconds())
                if stored == events and "last_row_seconds" not in seen:
                    seen["last_row_seconds"] = measured.elapsed_seconds()
                    seen["last_row_cpu_seconds"] = measured.cpu_seconds()
                    if engine.lateness is not None:
                        return seen
            time.sleep(LOOK_EVERY_SECONDS)
    if measured.is_running():
        raise RuntimeError(f"{engine.name} was not done after {RUN_SECONDS_MAX} s; it had stored: {seen}")
    return seen


def figures(cost: Cost, watched: dict[str, float], engine: Engine) -> dict[str, float | None]:
    """Of an engine that ends by itself all that it cost; of one that does not, what until its last row was visible."""
    endless = engine.lateness is not None
    return {
        "cpu_seconds": watched["last_row_cpu_seconds"] if endless else cost.cpu_seconds,
        "cpu_seconds_to_the_end": cost.cpu_seconds,
        "wall_seconds": watched["last_row_seconds"] if endless else cost.wall_seconds,
        "first_row_seconds": watched.get("first_row_seconds", cost.wall_seconds) if engine.stores else None,
        "peak_rss_bytes": cost.peak_rss_bytes,
    }


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="harness.compare")
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--repetitions", type=int, default=3)
    names = [engine.name for engine in ENGINES]
    parser.add_argument("--engines", type=lambda text: text.split(","), default=names, metavar=",".join(names))
    arguments = parser.parse_args()
    unknown = set(arguments.engines) - set(names)
    if unknown:
        parser.error(f"unknown engines: {', '.join(sorted(unknown))}; known: {', '.join(names)}")
    return arguments


if __name__ == "__main__":
    main()
