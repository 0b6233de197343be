"""What the streamer costs when nothing comes: CPU and memory over a minute, all settings at their defaults.

Arguments: --seconds N --repetitions N. Out: results/idle.json.
"""

import argparse
import time
from pathlib import Path

from . import positions, results
from .places import program
from .process import Measured, descendants, table
from .results import say
from .servers import Database, Topic, connect, load

EVENTS = 10_000
SETTLE_SECONDS = 10


def main() -> None:
    """Reads a few events, lets it come to rest, and looks."""
    parser = argparse.ArgumentParser(prog="harness.idle")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--repetitions", type=int, default=1)
    arguments = parser.parse_args()
    runs = []
    with Topic(3) as topic:
        load(topic, EVENTS)
        for repetition in range(1, arguments.repetitions + 1):
            runs.append({"repetition": repetition, **measure(topic, arguments.seconds)})
            say(f"idle: {runs[-1]['cpu_share']:.4%} of a core, {runs[-1]['rss_bytes'] / 2**20:.1f} MiB")
    results.write("idle", {"seconds": arguments.seconds, "repetitions": arguments.repetitions}, runs)


def measure(topic: Topic, seconds: int) -> dict[str, float]:
    """Share of a core over so many seconds, and resident memory at their end."""
    with Database() as database:
        database.migrate()
        with connect(database.url) as session, Measured([program("streamer")], topic.environment(database)) as measured:
            positions.wait_for(session, topic.name, EVENTS, 0.1, 120)
            time.sleep(SETTLE_SECONDS)
            before, begin = scheduled_seconds(measured), time.monotonic()
            time.sleep(seconds)
            used, passed = scheduled_seconds(measured) - before, time.monotonic() - begin
            return {"cpu_share": used / passed, "cpu_seconds": used, "rss_bytes": measured.rss_bytes()}


def scheduled_seconds(measured: Measured) -> float:
    """CPU time of all threads, in nanoseconds' resolution: ticks of 10 ms are too coarse for a program at rest.

    Threads that have ended are not in it; at rest none does.
    """
    total = 0
    for pid in descendants(measured.pid, table()):
        for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            total += int(path.read_text(encoding="ascii").split()[0])
    return total / 1e9


if __name__ == "__main__":
    main()
