"""What a flush costs against the number of groups in it: transaction time, rows a second, WAL bytes.

Arguments: --rounds N. Each round is one event for every group, sent when the round before is stored; the first round of
a minute inserts its rows, the others update them. Out: results/flush.json.
"""

import argparse
import json
import time
from pathlib import Path

import psycopg
from confluent_kafka import Producer

from . import metrics, positions, results
from .engines import work_folder
from .places import program
from .process import Measured
from .results import say
from .scenarios import TYPES
from .servers import Database, Topic, connect, kafka

GROUPS = (40, 400, 4_000, 40_000)
# Long enough for a round to be read whole before it is flushed.
FLUSH_INTERVAL = "2s"
ROUND_SECONDS_MAX = 60


def main() -> None:
    """Each number of groups on a database of its own."""
    parser = argparse.ArgumentParser(prog="harness.flush")
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    runs = []
    for groups in GROUPS:
        with Topic(1) as topic, Database() as database, work_folder() as folder:
            database.migrate()
            runs += measure(topic, database, Path(folder), groups, arguments.rounds)
    results.write("flush", {"flush_interval": FLUSH_INTERVAL, "rounds": arguments.rounds}, runs)


def measure(topic: Topic, database: Database, folder: Path, groups: int, rounds: int) -> list[dict]:
    """The inserting round, and the updating rounds together."""
    events = [event(number) for number in range(groups)]
    address = metrics.free_address()
    environment = {**topic.environment(database), "FLUSH_INTERVAL": FLUSH_INTERVAL, "METRICS_ADDR": address}
    producer = Producer({"bootstrap.servers": kafka(), "queue.buffering.max.messages": max(GROUPS) + 1})
    runs = []
    with connect(database.url) as session, Measured([program("streamer")], environment, log=str(folder / "log")):
        metrics.wait_until_served(address)
        before = Counters.read(address, session)
        stored = 0
        for number in range(rounds + 1):
            for payload in events:
                producer.produce(topic.name, payload)
            producer.flush(30)
            stored += groups
            positions.wait_for(session, topic.name, stored, 0.02, ROUND_SECONDS_MAX)
            time.sleep(0.1)  # the counters follow the commit
            if number in (0, rounds):
                after = Counters.read(address, session)
                runs.append({"groups": groups, "writes": "update" if number else "insert", **after.since(before)})
                before = after
    for run in runs:
        say(
            f"{groups} groups, {run['writes']}: {run['seconds_per_flush'] * 1000:.1f} ms a flush of "
            f"{run['rows_per_flush']:.0f} rows, {run['wal_bytes_per_flush']:,.0f} bytes of WAL"
        )
    return runs


class Counters:
    """What has been flushed so far, as the streamer and the server count it."""

    def __init__(self, flushes: float, seconds: float, rows: float, wal_bytes: int) -> None:
        self.flushes, self.seconds, self.rows, self.wal_bytes = flushes, seconds, rows, wal_bytes

    @classmethod
    def read(cls, address: str, session: psycopg.Connection) -> "Counters":
        """Both now."""
        own = metrics.read(address)
        wal = session.execute("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").fetchone()[0]
        return cls(
            own["streamer_flush_duration_seconds_count"], own["streamer_flush_duration_seconds_sum"],
            own["streamer_flush_rows_total"], wal,
        )

    def since(self, before: "Counters") -> dict[str, float]:
        """Per flush."""
        flushes = self.flushes - before.flushes
        seconds, rows = self.seconds - before.seconds, self.rows - before.rows
        return {
            "flushes": flushes, "rows_per_flush": rows / flushes, "seconds_per_flush": seconds / flushes,
            "rows_per_second": rows / seconds, "wal_bytes_per_flush": (self.wal_bytes - before.wal_bytes) / flushes,
        }


def event(number: int) -> bytes:
    """The event of group `number`, always the same subscriber and minute."""
    return json.dumps({
        "event_id": f"{number:036}", "msisdn": "7701234****", "event_type": TYPES[number % len(TYPES)],
        "event_subtype": None, "duration_seconds": 60, "data_mb": 12.34, "amount": None,
        "region": f"Region {number // len(TYPES):05}", "cell_tower_id": 1000,
        "timestamp": "2025-11-09T05:00:00.000000Z", "subscriber_id": f"{number:016x}", "counterparty_id": None,
    }).encode()


if __name__ == "__main__":
    main()
