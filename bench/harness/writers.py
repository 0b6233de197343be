"""Many processes that write the same rows: 48 partitions, 10,000 groups a minute, FLUSH_INTERVAL=1s, N processes.

Arguments: --events N --repetitions N --processes 1,8,16 --keys subscriber,region --age-seconds N --seconds-max N: no repetition
begins that, as long as the longest one so far, would end after so many seconds; the first always does. First each number of processes drains the same topic, in turns, all keys; then so many as the most read live events, and the age of rows is
watched. A failed attempt at a flush is counted by its line in the log. Out: results/writers.json.
"""

import argparse
import tempfile
import time
from pathlib import Path

from . import freshness, metrics, results, split
from .engines import work_folder
from .places import program
from .process import Measured
from .results import say
from .scenarios import even
from .servers import Database, Topic, connect, generated, run

PARTITIONS = 48
PARTS = 10
GROUPS = 4 * split.REGIONS_MAX * PARTS
FLUSH_INTERVAL = "1s"
KEY_FIELDS = {"subscriber": b"subscriber_id", "region": b"region"}
FAILED = "flush not stored"
DRAIN_SECONDS_MAX = 900
# Live: few enough that the machine keeps up, and each still an own group.
AGE_EVENTS_PER_SECOND = 600


def main() -> None:
    """Repetitions are interleaved: all sizes, then all again."""
    parser = argparse.ArgumentParser(prog="harness.writers")
    parser.add_argument("--events", type=int, default=600_000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--processes", default="1,8,16")
    parser.add_argument("--keys", default="subscriber,region")
    parser.add_argument("--age-seconds", type=int, default=60)
    parser.add_argument("--seconds-max", type=int)
    arguments = parser.parse_args()
    started = time.monotonic()
    longest = 0.0
    repetitions = 0
    sizes = [int(size) for size in arguments.processes.split(",")]
    runs = []
    with work_folder() as folder:
        command = generated(arguments.events, even(Path(folder), split.REGIONS_MAX))
        topics = {}
        try:
            for key in arguments.keys.split(","):
                topics[key] = Topic(PARTITIONS)
                split.send(topics[key], command, PARTS, KEY_FIELDS[key])
            for repetition in range(1, arguments.repetitions + 1):
                begun = time.monotonic()
                expected_end = begun - started + longest + arguments.age_seconds
                if repetitions and arguments.seconds_max and expected_end > arguments.seconds_max:
                    say(f"{repetitions} repetitions: another one would take too long")
                    break
                for key, topic in topics.items():
                    for processes in sizes:
                        found = drain(topic, arguments.events, processes)
                        runs.append({"kind": "drain", "key": key, "processes": processes, "repetition": repetition, **found})
                        say(f"key {key}, {processes} processes: {found}")
                longest = max(longest, time.monotonic() - begun)
                repetitions = repetition
        finally:
            for topic in topics.values():
                topic.__exit__()
        if arguments.age_seconds:
            runs.append({"kind": "age", "processes": max(sizes), **age(command, max(sizes), arguments.age_seconds)})
            say(f"row's age: {runs[-1]}")
    parameters = {
        "events": arguments.events, "repetitions": repetitions, "partitions": PARTITIONS, "groups": GROUPS,
        "flush_interval": FLUSH_INTERVAL, "age_events_per_second": AGE_EVENTS_PER_SECOND,
        "age_seconds": arguments.age_seconds,
    }
    results.write("writers", parameters, runs)


def drain(topic: Topic, events: int, processes: int) -> dict[str, object]:
    """So many processes empty the topic: wall and CPU seconds, failed flushes, rows written, bytes of WAL.

    `RuntimeError` when one fails, or when not every event has become part of a row.
    """
    with Database() as database, tempfile.NamedTemporaryFile() as log, connect(database.url) as session:
        database.migrate()
        before = session.execute("SELECT pg_current_wal_lsn()").fetchone()[0]
        environment = {**topic.environment(database), "FLUSH_INTERVAL": FLUSH_INTERVAL}
        running = [Measured([program("streamer"), "--drain"], environment, log.name) for _ in range(processes)]
        costs = [measured.wait(DRAIN_SECONDS_MAX) for measured in running]
        wal, = session.execute("SELECT pg_current_wal_lsn() - %s::pg_lsn", (before,)).fetchone()
        stored, = session.execute("SELECT sum(event_count)::bigint FROM real_time_metrics").fetchone()
        # Sessions report what they did when they end.
        session.execute("SELECT pg_stat_force_next_flush()")
        written, = session.execute(
            "SELECT n_tup_ins + n_tup_upd FROM pg_stat_user_tables WHERE relname = 'real_time_metrics'"
        ).fetchone()
        failed_flushes = Path(log.name).read_text(encoding="utf-8", errors="replace").count(FAILED)
    if stored != events or any(cost.exit_code for cost in costs):
        raise RuntimeError(f"{stored} of {events} events stored, exit codes {[cost.exit_code for cost in costs]}")
    wall = max(cost.wall_seconds for cost in costs)
    return {
        "wall_seconds": wall, "events_per_second": events / wall,
        "cpu_seconds": sum(cost.cpu_seconds for cost in costs), "failed_flushes": failed_flushes,
        "row_writes": written, "wal_bytes": int(wal),
    }


def age(command: list[str], processes: int, seconds: int) -> dict[str, object]:
    """From an event's delivery to its visible row, with so many processes; what one flush takes without its wait."""
    events = run([*command, "--stdout"]).encode().splitlines()[: seconds * AGE_EVENTS_PER_SECOND]
    addresses = [metrics.free_address() for _ in range(processes)]
    with Topic(PARTITIONS) as topic, Database() as database, connect(database.url) as session:
        database.migrate()
        running = []
        try:
            for address in addresses:
                environment = {
                    **topic.environment(database), "FLUSH_INTERVAL": FLUSH_INTERVAL, "METRICS_ADDR": address,
                }
                running.append(Measured([program("streamer")], environment))
            for address in addresses:
                metrics.wait_until_served(address)
            deliveries, seen = freshness.send_and_watch(
                topic, session, cut(events), AGE_EVENTS_PER_SECOND, PARTITIONS
            )
            values = [metrics.read(address) for address in addresses]
        finally:
            for measured in running:
                measured.stop()
    total = {name: sum(value.get(name, 0.0) for value in values) for name in (
        "streamer_flush_duration_seconds_sum", "streamer_flush_duration_seconds_count", "streamer_turn_wait_seconds_sum",
        "streamer_flush_failed_attempts_total", "streamer_turns_missed_total",
    )}
    ages = sorted(freshness.wait(seen[partition], offset, at) for partition, offset, _, at in deliveries)
    return {
        "events": len(ages), "age_percentiles_seconds": {**freshness.percentiles(ages), "95": ages[int(0.95 * len(ages))]},
        "flush_seconds": total["streamer_flush_duration_seconds_sum"] / total["streamer_flush_duration_seconds_count"],
        "turn_wait_seconds": total["streamer_turn_wait_seconds_sum"] / total["streamer_flush_duration_seconds_count"],
        "flush_interval_seconds": max(value.get("streamer_flush_interval_seconds", 0.0) for value in values),
        "failed_flushes": int(total["streamer_flush_failed_attempts_total"]),
        "turns_missed": int(total["streamer_turns_missed_total"]),
    }


def cut(events: list[bytes]) -> list[bytes]:
    """Each region cut into `PARTS`, as `split.send` does."""
    return [split.cut(event, number % PARTS) for number, event in enumerate(events)]


if __name__ == "__main__":
    main()
