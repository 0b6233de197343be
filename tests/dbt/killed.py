"""dbt is killed with SIGKILL inside a transaction that changes a table; the next run makes all whole.

A lock of ours holds it at a known statement: no chance is involved in where it dies.
"""

from __future__ import annotations

import psycopg2
from proof import check, equal, wait_for
from warehouse import Warehouse

# Table, a lock that the statement to die at must wait for, and a part of that statement.
POINTS = (
    ("fct_traffic_hourly", "SHARE", "delete from"),
    ("fct_region_daily", "ACCESS SHARE", "rename to"),
    ("daily_stats_reported", "SHARE", "update"),
)


def checks(house: Warehouse) -> None:
    """One check for each point, each with a change of its own to the minutes and to a day."""
    for number, (table, lock, statement) in enumerate(POINTS):
        day = f"2025-11-{11 + number}"
        with check(f"killed at '{statement}' of {table}: the table is as before, and whole after the next run"):
            house.produce(10 + number, f"{day}T09:00:00Z", f"{day}T09:30:00Z")
            house.program("batcher", day, "--include-late")
            before = house.fingerprint(table)
            die_at(house, table, lock, statement)
            equal(house.fingerprint(table), before)
            house.dbt("build")
            equal(house.hourly_off_minutes(), [])
            assert house.fingerprint(table) != before, "nothing was to be done"
            after = house.fingerprints()
            house.dbt("build")
            equal(house.fingerprints(), after)
            equal(house.query("SELECT relname FROM pg_class WHERE relname LIKE '%\\_\\_dbt\\_%' AND relkind IN ('r', 'v')"), [])


def die_at(house: Warehouse, table: str, lock: str, statement: str) -> None:
    """Starts dbt, waits until it waits for our lock at that statement, and kills it."""
    holder = psycopg2.connect(house.url)
    dbt = None
    try:
        with holder.cursor() as cursor:
            cursor.execute(f"LOCK TABLE marts.{table} IN {lock} MODE")
        dbt = house.start_dbt("build")
        wait_for(f"dbt to wait at {statement} of {table}", lambda: waits(house, table, statement), lambda: dbt.poll())
    finally:
        if dbt is not None:
            dbt.kill()
            dbt.communicate()
        holder.close()
    wait_for("the sessions of dbt to end", lambda: not house.query("SELECT FROM pg_stat_activity WHERE usename = 'dbt'"))


def waits(house: Warehouse, table: str, statement: str) -> bool:
    """Whether a session of dbt waits for a lock with that statement."""
    return bool(
        house.query(
            """SELECT FROM pg_stat_activity
               WHERE usename = 'dbt' AND wait_event_type = 'Lock' AND position(%s in query) > 0 AND position(%s in query) > 0""",
            table, statement,
        )
    )
