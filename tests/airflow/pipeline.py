"""The pipeline's database: what the streamer would have written, and what the batcher has.

In: the address of an empty database. Out: days with data, without, complete or still open.
"""

from __future__ import annotations

import datetime
import os
import subprocess

import psycopg2

# A day's windows, as (hour, event type, region, events). Two regions, two types.
WINDOWS = ((8, "call", "Almaty", 30), (8, "sms", "Almaty", 12), (20, "call", "Astana", 25))
EVENTS_OF_A_DAY = sum(events for _, _, _, events in WINDOWS)


class Pipeline:
    """One database with the project's schema."""

    def __init__(self, url: str, streamer: str):
        self.url = url
        environment = {"PATH": os.environ["PATH"], "DATABASE_URL": url}
        subprocess.run([streamer, "migrate"], env=environment, check=True, capture_output=True)
        self.connection = psycopg2.connect(url)
        self.connection.autocommit = True

    def close(self) -> None:
        self.connection.close()

    def give_roles(self, script: str, dbt_user: str) -> None:
        """The rights of deploy/roles.sql, and a user that has those of dbt."""
        self._execute(script)
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", (dbt_user,))
            if cursor.rowcount == 0:  # roles belong to the whole server
                cursor.execute(f"CREATE USER {dbt_user} PASSWORD '{dbt_user}' IN ROLE pipeline_dbt")

    def modelled_events(self, day: datetime.date) -> int:
        """How many events the warehouse's rows of a day count."""
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT COALESCE(SUM(total_events), 0)::bigint FROM marts.fct_region_daily WHERE date = %s",
                (day,),
            )
            return cursor.fetchone()[0]

    def failed_days(self) -> list:
        """The days that the warehouse says the last run on failed."""
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT date FROM marts.mart_data_quality WHERE measure = 'last run failed'")
            return [date for (date,) in cursor.fetchall()]

    def empty_the_minutes(self) -> None:
        """Removes all windows; the days' rows stay."""
        self._execute("DELETE FROM real_time_metrics")

    def add_windows(self, day: datetime.date) -> None:
        """A day's windows."""
        for hour, event_type, region, events in WINDOWS:
            start = datetime.datetime.combine(day, datetime.time(hour))
            self._execute(
                """INSERT INTO real_time_metrics (window_start, window_end, event_type, region, event_count,
                       total_duration, total_data_mb, total_amount)
                   VALUES (%s, %s, %s, %s, %s, 60, 1.5, 0)""",
                (start, start + datetime.timedelta(minutes=1), event_type, region, events),
            )

    def read_until(self, moment: datetime.datetime) -> None:
        """Says of the one partition what a streamer says that has read all events before `moment`: days
        that end later can still change."""
        self._execute("DELETE FROM stream_progress")
        self._execute(
            """INSERT INTO stream_progress
                   (topic, generation, partition, first_offset, next_offset, watermark, complete_through)
               VALUES ('telecom_events', 0, 0, 0, 0, %s, %s)""",
            (moment, moment),
        )

    def daily_stats(self, day: datetime.date) -> list:
        """All rows of a day, in order."""
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT * FROM daily_stats WHERE date = %s ORDER BY event_type, region", (day,)
            )
            return cursor.fetchall()

    def events(self, day: datetime.date) -> int:
        """How many events the day's rows count over all types; 0 where there are no rows."""
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT COALESCE(SUM(total_events), 0)::bigint FROM daily_stats WHERE date = %s AND region = 'ALL'",
                (day,),
            )
            return cursor.fetchone()[0]

    def _execute(self, statement: str, values: tuple = ()) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values or None)


def midnight(day: datetime.date) -> datetime.datetime:
    """The instant at which a day of UTC begins."""
    return datetime.datetime.combine(day, datetime.time.min)
