"""The batcher: a day against the bare SQL run by psql, a year's backfill, 30 days of 10,000 regions.

Arguments: --part day|year|regions --repetitions N --events N. The tables are filled by the producer and the streamer,
so windows, ledger and sketches are real. Out: results/batch-PART.json.
"""

import argparse
import re
import time
from datetime import date, timedelta
from pathlib import Path

from . import results, split
from .engines import work_folder
from .places import REPOSITORY, program
from .process import Measured
from .results import say
from .scenarios import even
from .servers import Database, Topic, connect, run

DAY = "2025-11-09"
QUERIES = REPOSITORY / "crates/store/src/day/queries"
# Days and regions of each part, and how many events fill them.
PARTS = {
    "day": ("2025-11-09", "2025-11-10", 10, 900_000),
    "year": ("2025-01-01", "2026-01-01", 10, 2_000_000),
    "regions": ("2025-11-01", "2025-12-01", 10_000, 3_000_000),
}


def main() -> None:
    """One part."""
    parser = argparse.ArgumentParser(prog="harness.batch")
    parser.add_argument("--part", choices=list(PARTS), required=True)
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--events", type=int)
    arguments = parser.parse_args()
    begin, end, regions, usual_events = PARTS[arguments.part]
    events = arguments.events or usual_events
    with Database() as database, work_folder() as folder:
        say(f"filling {begin} to {end}, {regions} regions, {events:,} events")
        seconds = fill(database, Path(folder), begin, end, regions, events)
        parameters = {"part": arguments.part, "events": events, "regions": regions, **sizes(database)}
        say(f"filled in {seconds:.0f} s: {parameters}")
        if arguments.part == "day":
            runs = [side_by_side(database, Path(folder), number + 1) for number in range(arguments.repetitions)]
        else:
            runs = backfill(database, begin, end)
    results.write(f"batch-{arguments.part}", parameters, runs)


def fill(database: Database, folder: Path, begin: str, end: str, regions: int, events: int) -> float:
    """Real events through the real streamer; how many seconds that took."""
    started = time.monotonic()
    days = (date.fromisoformat(end) - date.fromisoformat(begin)).days
    with Topic(3) as topic:
        environment = topic.environment(database)
        scenario = even(folder, min(regions, split.REGIONS_MAX))
        command = [
            program("producer"), "--scenario", scenario, "--seed", "1", "--from", begin, "--to", end,
            "--base-rate", f"{events / (days * 86_400):.6f}",
        ]
        if regions > split.REGIONS_MAX:
            split.send(topic, command, regions // split.REGIONS_MAX)
        else:
            run(command, environment)
        run([program("streamer"), "--drain"], environment)
    with connect(database.url) as session:
        # As autovacuum would have by the night.
        session.execute("VACUUM ANALYZE real_time_metrics, day_ledger, subscriber_sketches")
    return time.monotonic() - started


def sizes(database: Database) -> dict[str, int]:
    """What the batcher finds."""
    with connect(database.url) as session:
        windows, stored = session.execute(
            "SELECT count(*), sum(event_count)::bigint FROM real_time_metrics"
        ).fetchone()
        sketches = session.execute("SELECT count(*) FROM subscriber_sketches").fetchone()[0]
    return {"windows": windows, "events_stored": stored, "sketches": sketches}


def for_each_figure(sql: str) -> str:
    """What stands in braces, written for each figure, as the batcher does it (crates/store/src/figures.rs)."""
    figures = (
        ("seconds", "total_duration_hours", "(seconds::numeric(1000, 40) / 3600)"),
        ("data_mb", "total_data_tb", "(data_mb::numeric(1000, 40) / 1048576)"),
        ("amount", "total_amount", "amount"),
    )

    def written(braces: re.Match) -> str:
        part = braces[1]
        return ", ".join(
            part.replace("<name>", name).replace("<day column>", column).replace("<in day units>", quotient)
            for name, column, quotient in figures
        )

    return re.sub(r"\{([^}]*)\}", written, sql)


def side_by_side(database: Database, folder: Path, repetition: int) -> dict[str, float]:
    """The day's transaction by psql, then by the batcher; wall times of the whole processes."""
    script = folder / "day.sql"
    insert = "".join(for_each_figure((QUERIES / name).read_text(encoding="utf-8")) for name in ("daily_of_minutes.sql", "daily_insert.sql"))
    insert = insert.rstrip().rstrip(";")
    script.write_text(
        f"SET work_mem = '64MB';\nPREPARE day (date, timestamp, timestamp, boolean) AS\n{insert};\n"
        f"BEGIN ISOLATION LEVEL REPEATABLE READ;\nDELETE FROM daily_stats WHERE date = '{DAY}';\n"
        f"EXECUTE day ('{DAY}', '{DAY}', date '{DAY}' + 1, false);\nCOMMIT;\n", encoding="utf-8",
    )
    psql = timed([psql_program(), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database.url, "-f", str(script)])
    batcher = timed([program("batcher"), DAY, "--database-url", database.url])
    say(f"psql {psql * 1000:.0f} ms, batcher {batcher * 1000:.0f} ms")
    return {"repetition": repetition, "psql_seconds": psql, "batcher_seconds": batcher}


def psql_program() -> str:
    """psql itself: what Debian has on the PATH is a script that looks for it, for longer than the query takes."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/psql"), key=lambda path: int(path.parts[4]))
    return str(found[-1]) if found else "psql"


def timed(command: list[str]) -> float:
    """Wall seconds of a command that must succeed."""
    begin = time.monotonic()
    run(command, {"RUST_LOG": "warn"})
    return time.monotonic() - begin


def backfill(database: Database, begin: str, end: str) -> list[dict[str, object]]:
    """All days by one command; each day's seconds as the batcher noted them, and the command's cost."""
    last = (date.fromisoformat(end) - timedelta(days=1)).isoformat()
    command = [program("batcher"), "--from", begin, "--to", last, "--database-url", database.url]
    with Measured(command, {"RUST_LOG": "warn"}) as measured:
        cost = measured.wait(3600)
    if cost.exit_code != 0:
        raise RuntimeError(f"{' '.join(command[:5])} ended with {cost.exit_code}")
    with connect(database.url) as session:
        rows = session.execute(
            "SELECT date::text, extract(epoch FROM finished_at - started_at)::float, source_rows, rows"
            " FROM batch_runs ORDER BY date"
        ).fetchall()
    say(f"{len(rows)} days in {cost.wall_seconds:.1f} s, {cost.peak_rss_bytes / 2**20:.0f} MiB")
    days = [dict(zip(("date", "seconds", "windows", "rows"), row)) for row in rows]
    return [{
        "wall_seconds": cost.wall_seconds, "cpu_seconds": cost.cpu_seconds, "peak_rss_bytes": cost.peak_rss_bytes,
        "days": days,
    }]


if __name__ == "__main__":
    main()
