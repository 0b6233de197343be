"""The tables after thousands of flushes: how many updates were HOT, and how large the tables have become.

Arguments: --flushes N --rate EVENTS_PER_SECOND. Live events at a steady rate, FLUSH_INTERVAL=10ms, autovacuum as the
server has it. Out: results/bloat.json.
"""

import argparse
import time

from . import metrics, results
from .places import program
from .process import Measured
from .results import say
from .servers import Database, Topic, connect

FLUSH_INTERVAL = "10ms"
SECONDS_MAX = 1_800
TABLES = ("real_time_metrics", "stream_progress", "day_ledger", "subscriber_sketches")
STATISTICS = """
SELECT relname, n_tup_ins, n_tup_upd, n_tup_hot_upd, n_live_tup, n_dead_tup, autovacuum_count,
       pg_relation_size(relid) AS bytes, pg_indexes_size(relid) AS index_bytes
FROM pg_stat_user_tables WHERE relname = ANY(%s) ORDER BY relname
"""


def main() -> None:
    """Lets both run until there have been so many flushes."""
    parser = argparse.ArgumentParser(prog="harness.bloat")
    parser.add_argument("--flushes", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=1_000)
    arguments = parser.parse_args()
    address = metrics.free_address()
    with Topic(3) as topic, Database() as database:
        database.migrate()
        streamer = {**topic.environment(database), "FLUSH_INTERVAL": FLUSH_INTERVAL, "METRICS_ADDR": address}
        begin = time.monotonic()
        with Measured([program("streamer")], streamer):
            metrics.wait_until_served(address)
            with Measured([program("producer"), "--seed", "1", "--rate", str(arguments.rate)], topic.environment()):
                flushes = wait_for(address, arguments.flushes)
        seconds = time.monotonic() - begin
        with connect(database.url) as session:
            session.execute("SELECT pg_stat_force_next_flush()")
            cursor = session.execute(STATISTICS, (list(TABLES),))
            names = [column.name for column in cursor.description]
            runs = [dict(zip(names, row)) for row in cursor.fetchall()]
    for run in runs:
        say(f"{run['relname']}: {run['n_tup_hot_upd']} of {run['n_tup_upd']} updates HOT, {run['bytes']:,} bytes")
    parameters = {
        "flush_interval": FLUSH_INTERVAL, "flushes": flushes, "rate_per_second": arguments.rate, "seconds": seconds,
    }
    results.write("bloat", parameters, runs)


def wait_for(address: str, flushes: int) -> int:
    """How many flushes there were when there were enough."""
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        done = int(metrics.read(address)["streamer_flush_duration_seconds_count"])
        if done >= flushes:
            return done
        time.sleep(0.2)
    raise TimeoutError(f"{done} of {flushes} flushes after {SECONDS_MAX} s")


if __name__ == "__main__":
    main()
