"""The streamer with 1 to 4 workers, and as 1 to 4 processes, on a topic of 12 partitions.

Arguments: --events N --repetitions N. Out: results/scaling.json.
"""

import argparse

from . import drain, results
from .results import say
from .servers import Topic, load

PARTITIONS = 12
SIZES = (1, 2, 3, 4)


def main() -> None:
    """Repetitions are interleaved: all sizes, then all again."""
    parser = argparse.ArgumentParser(prog="harness.scaling")
    parser.add_argument("--events", type=int, default=4_000_000)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    shapes = [("workers", 1, workers) for workers in SIZES] + [("processes", processes, 1) for processes in SIZES]
    runs = []
    with Topic(PARTITIONS) as topic:
        load(topic, arguments.events)
        for repetition in range(1, arguments.repetitions + 1):
            for kind, processes, workers in shapes:
                ours = drain.streamers(topic, arguments.events, processes, workers)
                runs.append({
                    "kind": kind, "processes": processes, "workers": workers, "repetition": repetition, **ours,
                })
                say(
                    f"{processes} processes, {workers} workers: {ours['cpu_seconds']:.2f} CPU-s, "
                    f"{ours['wall_seconds']:.2f} s"
                )
    parameters = {"events": arguments.events, "partitions": PARTITIONS, "repetitions": arguments.repetitions}
    results.write("scaling", parameters, runs)


if __name__ == "__main__":
    main()
