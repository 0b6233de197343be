"""What `rules backtest` costs: the ten rules of the example over a day of the world `lifelike`.

Arguments: --repetitions N. CPU-seconds are those of the whole process, reading included. Out: results/backtest.json.
"""

import argparse
import tempfile
from pathlib import Path

from . import results, rule_log
from .places import program, shown
from .process import Measured
from .results import say
from .rule_costs import RUN_SECONDS_MAX, drain, example
from .servers import Database, Topic, connect, run

PARTITIONS = 3


def main() -> None:
    """Counts the day, and tries the rules on it."""
    parser = argparse.ArgumentParser(prog="harness.backtest")
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Topic(PARTITIONS) as topic, Database() as database:
        database.migrate()
        load = [part for part in rule_log.command() if part != "--stdout"]
        run(load, topic.environment())
        drain(topic, database)
        command = [program("streamer"), "rules", "backtest", str(example(Path(folder))), "--from", rule_log.FROM]
        with connect(database.url) as session:
            events = session.execute("SELECT sum(event_count)::bigint FROM real_time_metrics").fetchone()[0]
        runs = []
        for repetition in range(1, arguments.repetitions + 1):
            with Measured(command, topic.environment(database)) as measured:
                cost = measured.wait(RUN_SECONDS_MAX)
            if cost.exit_code != 0:
                raise RuntimeError(f"{shown(command, folder)} ended with {cost.exit_code}")
            runs.append({"repetition": repetition, "events": events, "cpu_seconds": cost.cpu_seconds,
                         "wall_seconds": cost.wall_seconds, "peak_rss_bytes": cost.peak_rss_bytes})
            say(f"{events / cost.cpu_seconds:,.0f} events a CPU-second; {runs[-1]}")
        parameters = {"load": shown(load), "command": shown(command, folder), "partitions": PARTITIONS, "events": events,
                      "repetitions": arguments.repetitions}
    results.write("backtest", parameters, runs)


if __name__ == "__main__":
    main()
