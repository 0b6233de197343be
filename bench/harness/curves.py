"""What an event costs the streamer against the number of partitions, and of groups.

Arguments: --events N --repetitions N. kcat reads the same topics right before, for the ratio. Out: results/curves.json.
"""

import argparse
from contextlib import ExitStack
from pathlib import Path

from . import drain, results, split
from .engines import work_folder
from .results import say
from .scenarios import even
from .servers import Topic, generated, load

PARTITIONS = (1, 3, 10, 30, 100)
# Groups per minute are four times as many.
REGIONS = (3, 25, 250, 2_500)
USUAL_PARTITIONS, USUAL_REGIONS = 3, 10


def main() -> None:
    """Both curves. All topics are made first, so that a change of the machine's speed meets all points of a curve."""
    parser = argparse.ArgumentParser(prog="harness.curves")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    points = [("partitions", partitions, USUAL_REGIONS) for partitions in PARTITIONS]
    points += [("groups", USUAL_PARTITIONS, regions) for regions in REGIONS]
    runs = []
    with work_folder() as folder, ExitStack() as stack:
        topics = []
        for _, partitions, regions in points:
            topics.append(stack.enter_context(Topic(partitions)))
            fill(topics[-1], arguments.events, Path(folder), regions)
        for repetition in range(1, arguments.repetitions + 1):
            for (curve, partitions, regions), topic in zip(points, topics):
                ceiling = drain.kcat(topic)
                ours = drain.streamers(topic, arguments.events)
                runs.append({
                    "curve": curve, "partitions": partitions, "groups": 4 * regions, "repetition": repetition,
                    "kcat_cpu_seconds": ceiling.cpu_seconds, **ours,
                })
                say(
                    f"{partitions} partitions, {4 * regions} groups: {ours['cpu_seconds']:.2f} CPU-s, "
                    f"{ours['rows']} rows, kcat {ceiling.cpu_seconds:.2f}"
                )
    results.write("curves", {"events": arguments.events, "repetitions": arguments.repetitions}, runs)


def fill(topic: Topic, events: int, folder: Path, regions: int) -> None:
    """So many events of so many regions."""
    if regions <= split.REGIONS_MAX:
        load(topic, events, even(folder, regions))
    else:
        scenario = even(folder, split.REGIONS_MAX)
        split.send(topic, generated(events, scenario), regions // split.REGIONS_MAX)


if __name__ == "__main__":
    main()
