"""From the streamer's start to its first committed flush, with FLUSH_INTERVAL=200ms.

Arguments: --repetitions N. Once on a database that has its tables, once on an empty one. Out: results/startup.json.
"""

import argparse
import os
import subprocess
import time

import psycopg

from . import positions, results
from .places import program
from .results import say
from .servers import Database, Topic, connect, load

EVENTS = 1_000
LOOK_EVERY_SECONDS = 0.002
START_SECONDS_MAX = 30


def main() -> None:
    """Starts it again and again."""
    parser = argparse.ArgumentParser(prog="harness.startup")
    parser.add_argument("--repetitions", type=int, default=10)
    arguments = parser.parse_args()
    runs = []
    with Topic(3) as topic:
        load(topic, EVENTS)
        measure(topic, True)  # a broker's first consumer group ever waits until the broker has made a topic for groups
        for repetition in range(1, arguments.repetitions + 1):
            for tables in ("there", "made at the start"):
                seconds = measure(topic, tables == "there")
                runs.append({"tables": tables, "repetition": repetition, "first_flush_seconds": seconds})
                say(f"tables {tables}: first flush after {seconds:.3f} s")
    results.write("startup", {"flush_interval": "200ms", "repetitions": arguments.repetitions}, runs)


def measure(topic: Topic, migrated: bool) -> float:
    """Seconds from exec to the moment when the first position is seen."""
    with Database() as database:
        if migrated:
            database.migrate()
        environment = {**topic.environment(database), "FLUSH_INTERVAL": "200ms"}
        with connect(database.url) as session:
            begin = time.monotonic()
            streamer = subprocess.Popen(
                [program("streamer")], env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            try:
                return first_flush(session, topic) - begin
            finally:
                streamer.terminate()
                streamer.wait(30)


def first_flush(session: psycopg.Connection, topic: Topic) -> float:
    """The moment (monotonic) at which a position is first seen."""
    while True:
        try:
            return positions.wait_for(session, topic.name, 1, LOOK_EVERY_SECONDS, START_SECONDS_MAX)
        except psycopg.errors.UndefinedTable:
            time.sleep(LOOK_EVERY_SECONDS)  # the tables are being made


if __name__ == "__main__":
    main()
