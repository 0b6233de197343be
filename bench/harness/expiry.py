"""Minutes that expire: large days beside live flushes, and a table through many nights.

Arguments: --days N --events N (of each) --live-rate EVENTS_PER_SECOND --quiet-seconds N --nights N --night-events N. The tables are
filled by the producer and the streamer, and days are computed by the batcher. Out: results/expiry.json.

The days: 400 groups with events in nearly every minute. One run deletes them all while a streamer stores live events of as many groups, ten
flushes a second, so that there are enough of them beside it. How long flushes take is read from the streamer's own sum and count. The nights: a day of 40 groups comes, the day before it is computed, the oldest goes, and the tables are vacuumed, which autovacuum
would have done by the next night. `streamer verify` must hold at the end of both.
"""

import argparse
import threading
import time
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

from . import metrics, results
from .engines import work_folder
from .places import program
from .process import Measured
from .results import say
from .scenarios import even
from .servers import Database, Topic, connect, run

FIRST_DAY = date(2025, 11, 9)
DAY_REGIONS, NIGHT_REGIONS = 100, 10
FLUSH_INTERVAL = "100ms"
LOOK_EVERY_SECONDS = 0.02
FINAL_SECONDS_MAX = 120
# Days that are there when one more comes.
DAYS_KEPT = 3
SIZES = """
SELECT pg_table_size('real_time_metrics'), pg_indexes_size('real_time_metrics'), (SELECT count(*) FROM real_time_metrics)
"""


def main() -> None:
    """Both parts."""
    parser = argparse.ArgumentParser(prog="harness.expiry")
    parser.add_argument("--days", type=int, default=5)
    parser.add_argument("--events", type=int, default=3_000_000)
    parser.add_argument("--live-rate", type=int, default=1_000)
    parser.add_argument("--quiet-seconds", type=int, default=60)
    parser.add_argument("--nights", type=int, default=30)
    parser.add_argument("--night-events", type=int, default=500_000)
    arguments = parser.parse_args()
    with work_folder() as folder:
        days = large_days(even(Path(folder), DAY_REGIONS), arguments)
        nights = many_nights(even(Path(folder), NIGHT_REGIONS), arguments)
    parameters = {
        "day_events": arguments.events, "day_groups": 4 * DAY_REGIONS, "flush_interval": FLUSH_INTERVAL,
        "live_events_per_second": arguments.live_rate, "night_events": arguments.night_events,
        "night_groups": 4 * NIGHT_REGIONS, "days_kept": DAYS_KEPT,
    }
    results.write("expiry", parameters, [days, *nights])


def large_days(scenario: str, arguments: argparse.Namespace) -> dict[str, object]:
    """Days that go while others are counted."""
    days = [FIRST_DAY + timedelta(days=number) for number in range(arguments.days)]
    address = metrics.free_address()
    with Topic(3) as topic, Database() as database, connect(database.url) as session:
        environment = topic.environment(database)
        for day in days:
            send_day(scenario, day, arguments.events, topic)
        run([program("streamer"), "--drain"], environment)
        rows, events = session.execute("SELECT count(*), sum(event_count)::bigint FROM real_time_metrics").fetchone()
        say(f"{rows:,} rows of {events:,} events")
        streamer = {**environment, "FLUSH_INTERVAL": FLUSH_INTERVAL, "METRICS_ADDR": address}
        live = [program("producer"), "--scenario", scenario, "--seed", "2", "--rate", str(arguments.live_rate)]
        with Measured([program("streamer")], streamer), Measured(live, topic.environment()):
            metrics.wait_until_served(address)
            for day in days:
                compute(database, day)
            session.execute("VACUUM ANALYZE real_time_metrics")
            before = Flushes(address)
            time.sleep(arguments.quiet_seconds)
            quiet = before.until_now()
            meanwhile = Flushes(address)
            with Measured(lifecycle(database, days[-1])) as expiring:
                cost = expiring.wait(600)
            beside = meanwhile.until_now()
        if cost.exit_code != 0:
            raise RuntimeError(f"batcher lifecycle ended with {cost.exit_code}")
        left, expired = session.execute(
            "SELECT (SELECT count(*) FROM real_time_metrics WHERE window_start < %s::date + 1),"
            " (SELECT sum(events)::bigint FROM expired_quarters)", (days[-1],)
        ).fetchone()
        verify(topic, database)
    if left or expired != events:
        raise RuntimeError(f"{left} rows are still there, {expired} of {events} events expired")
    found = {
        "kind": "days", "days": len(days), "rows": rows, "seconds": cost.wall_seconds, "flushes_before": len(quiet), "flushes_beside": len(beside),
        "p95_before_seconds": p95(quiet), "p95_beside_seconds": p95(beside),
    }
    say(str(found))
    return found


def many_nights(scenario: str, arguments: argparse.Namespace) -> list[dict[str, object]]:
    """Sizes after each night."""
    nights = []
    with Topic(3) as topic, Database() as database, connect(database.url) as session:
        for number in range(DAYS_KEPT + arguments.nights):
            day = FIRST_DAY + timedelta(days=number)
            send_day(scenario, day, arguments.night_events, topic)
            run([program("streamer"), "--drain"], topic.environment(database))
            if number == 0:
                continue
            compute(database, day - timedelta(days=1))
            if number < DAYS_KEPT:
                continue
            begin = time.monotonic()
            run(lifecycle(database, day - timedelta(days=DAYS_KEPT)))
            seconds = time.monotonic() - begin
            session.execute("VACUUM ANALYZE")
            table_bytes, index_bytes, rows = session.execute(SIZES).fetchone()
            nights.append({
                "kind": "night", "night": number - DAYS_KEPT + 1, "rows": rows, "seconds": seconds, "table_bytes": table_bytes,
                "index_bytes": index_bytes,
            })
            say(str(nights[-1]))
        verify(topic, database)
    return nights


def send_day(scenario: str, day: date, events: int, topic: Topic) -> None:
    """A day's events, in order."""
    run([
        program("producer"), "--scenario", scenario, "--seed", "1", "--from", day.isoformat(),
        "--to", (day + timedelta(days=1)).isoformat(), "--base-rate", f"{events / 86_400:.6f}",
    ], topic.environment())


def compute(database: Database, day: date) -> None:
    """The day, as soon as it is complete: what came after it must have been counted first."""
    environment = {"DATABASE_URL": database.url}
    deadline = time.monotonic() + FINAL_SECONDS_MAX
    while True:
        try:
            run([program("batcher"), "check", day.isoformat()], environment)
            break
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
    run([program("batcher"), day.isoformat()], environment)


def lifecycle(database: Database, last_day: date) -> list[str]:
    """The command that lets days up to this one go: days are UTC's, where nobody says otherwise."""
    kept = (datetime.now(timezone.utc).date() - last_day).days - 1
    return [program("batcher"), "lifecycle", "--retain-minutes", f"{kept}d", "--database-url", database.url]


def verify(topic: Topic, database: Database) -> None:
    """Every event is accounted for, the expired ones too."""
    run([program("streamer"), "verify"], topic.environment(database))


class Flushes:
    """How long each flush takes, from now on."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._durations: list[float] = []
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()

    def until_now(self) -> list[float]:
        """Seconds of each flush since the beginning. Flushes that were over at one look count with their mean."""
        self._stop.set()
        self._watcher.join()
        return self._durations

    def _watch(self) -> None:
        count, seconds = self._look()
        while not self._stop.wait(LOOK_EVERY_SECONDS):
            new_count, new_seconds = self._look()
            if new_count > count:
                mean = (new_seconds - seconds) / (new_count - count)
                self._durations += [mean] * (new_count - count)
            count, seconds = new_count, new_seconds

    def _look(self) -> tuple[int, float]:
        values = metrics.read(self._address)
        return (
            int(values.get("streamer_flush_duration_seconds_count", 0)), values.get("streamer_flush_duration_seconds_sum", 0.0)
        )


def p95(values: list[float]) -> float:
    """Of the flushes."""
    return sorted(values)[int(0.95 * len(values))]


if __name__ == "__main__":
    main()
