"""What a million events cost the producer, to standard output and to Kafka, and the Python program that it replaces.

Arguments: --events N --repetitions N. The Python program sends a tenth of the events. Out: results/producers.json.
"""

import argparse

from . import results
from .engines import package_versions, python
from .places import PEERS, shown
from .process import Measured
from .results import say
from .servers import Topic, generated

PARTITIONS = 3
PYTHON_SHARE = 10


def main() -> None:
    """All ways, one after another, then again."""
    parser = argparse.ArgumentParser(prog="harness.producers")
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    fewer = arguments.events // PYTHON_SHARE
    ways = [
        ("stdout", arguments.events, [*generated(arguments.events), "--stdout"]),
        ("stdout, scenario kazakhstan", arguments.events, [*generated(arguments.events, "kazakhstan"), "--stdout"]),
        ("kafka", arguments.events, generated(arguments.events)),
        ("python", fewer, [str(python()), str(PEERS / "python_producer.py"), str(fewer)]),
    ]
    runs = []
    for repetition in range(1, arguments.repetitions + 1):
        for way, events, command in ways:
            with Topic(PARTITIONS) as topic, Measured(command, topic.environment()) as measured:
                cost = measured.wait(900)
                if cost.exit_code != 0:
                    raise RuntimeError(f"{shown(command)} ended with {cost.exit_code}")
            runs.append({
                "way": way, "repetition": repetition, "events": events, "command": shown(command),
                "cpu_seconds": cost.cpu_seconds, "wall_seconds": cost.wall_seconds,
                "peak_rss_bytes": cost.peak_rss_bytes,
            })
            say(f"{way}: {cost.cpu_seconds / events * 1e6:.2f} CPU-s per million events, {cost.wall_seconds:.2f} s")
    parameters = {"events": arguments.events, "partitions": PARTITIONS, "repetitions": arguments.repetitions}
    results.write("producers", parameters, runs, {"python": package_versions(python(), "kafka-python")})


if __name__ == "__main__":
    main()
