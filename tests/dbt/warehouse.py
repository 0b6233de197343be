"""One database of the pipeline with its warehouse: the programs, dbt, and what the tables hold.

In: `sandbox run`, BINARIES (the folder of the programs), DBT (unless it stands beside this Python). Out: rows. Every program is the real one; dbt
has the rights of its role alone.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import urllib.parse

import psycopg2

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BINARIES = pathlib.Path(os.environ["BINARIES"]).resolve()
LONGEST_COMMAND_SECONDS = 600
# Users of the two roles.
USERS = {"dbt": "pipeline_dbt", "superset": "pipeline_bi"}
# What dbt makes. Snapshots and data quality know the time of the run; the others only the data.
MARTS = (
    "fct_traffic_hourly",
    "fct_region_daily",
    "fct_region_weekly",
    "fct_region_monthly",
    "fct_incidents",
    "fct_fraud",
    "mart_data_quality",
    "dim_region",
    "daily_stats_reported",
)


def password_of(user: str) -> str:
    """One that is found nowhere by chance."""
    return f"secret-of-{user}"


class Warehouse:
    """An empty database of the sandbox's server, with the project's schema and roles."""

    def __init__(self, name: str, folder: pathlib.Path):
        server = os.environ["SANDBOX_POSTGRES"]
        connection = psycopg2.connect(server)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{name}"')
        connection.close()
        self.name = name
        self.folder = folder
        self.url = f"{server.rsplit('/', 1)[0]}/{name}"
        self.topic = f"events_{name}"
        self.program("streamer", "migrate")
        self.connection = psycopg2.connect(self.url)
        self.connection.autocommit = True
        self.execute((REPOSITORY / "deploy/roles.sql").read_text())
        # What is to come names subscribers, and nobody but the programs may look at it.
        self.execute("CREATE SCHEMA IF NOT EXISTS persons; CREATE TABLE IF NOT EXISTS persons.probe (subscriber TEXT)")
        for user, role in USERS.items():
            if not self.query("SELECT FROM pg_roles WHERE rolname = %s", user):
                self.execute(f"CREATE USER {user} PASSWORD '{password_of(user)}' IN ROLE {role}")

    def close(self) -> None:
        self.connection.close()

    def program(self, name: str, *arguments: object) -> str:
        """Runs one of the programs to its good end; what it printed."""
        environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": self.url,
            "KAFKA_BOOTSTRAP_SERVERS": os.environ["SANDBOX_KAFKA"],
            "KAFKA_TOPIC": self.topic,
            "KAFKA_GROUP_ID": self.topic,
            "NO_COLOR": "1",
        }
        done = subprocess.run(
            [BINARIES / name, *map(str, arguments)],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST_COMMAND_SECONDS,
        )
        assert done.returncode == 0, f"{name} {arguments}: {done.returncode}\n{done.stderr[-3000:]}"
        return done.stdout

    def produce(self, seed: int, begin: str, end: str) -> None:
        """Sends the events of a range of time, about 18,000 a day, and counts them."""
        self.program("producer", "--seed", seed, "--base-rate", "0.2", "--from", begin, "--to", end)
        self.program("streamer", "--drain")

    def accuse(self) -> None:
        """Cases of fraud about six subscribers who don't exist, in every state, as the streamer and the fraud desk store them."""
        self.execute(
            """INSERT INTO persons.alerts (rule, version, mode, subscriber_id, bucket_start, bucket_seconds, topic, generation,
                       partition, hits, window_start, window_end, measures, offsets, updated_at)
               SELECT rule, 1, mode, 'made-up-' || who, date_trunc('hour', hit), 3600, 'x', 0, 0, hits, hit - interval '1 hour', hit,
                      '[]', '{}', now() - age
               FROM (VALUES
                   (1, 'sim_box', 'live', timestamp '2025-11-09 23:50', 3, interval '0'),
                   (1, 'sim_box', 'live', '2025-11-10 01:10', 4, '0'),        -- the same case
                   (2, 'sim_box', 'live', '2025-11-09 12:00', 5, '0'),        -- confirmed below
                   (2, 'sim_box', 'live', '2025-11-10 12:00', 1, '0'),        -- after the verdict: a new case
                   (3, 'sms_flood', 'shadow', '2025-11-10 08:00', 6, '0'),    -- dismissed below
                   (4, 'sms_flood', 'shadow', '2025-11-10 09:00', 7, '0'),    -- on the allowlist below
                   (5, 'sim_box', 'live', '2025-11-09 13:00', 8, '31 days'),
                   (6, 'sim_box', 'live', '2025-11-09 14:00', 9, '0')         -- confirmed below
               ) AS hits (who, rule, mode, hit, hits, age);
               INSERT INTO persons.verdicts (subscriber_id, rule, through_alert, verdict, reason, decided_by)
               SELECT subscriber_id, rule, min(id), CASE rule WHEN 'sim_box' THEN 'confirmed' ELSE 'dismissed' END, 'test', 'me'
               FROM persons.alerts WHERE subscriber_id IN ('made-up-2', 'made-up-3', 'made-up-6') GROUP BY 1, 2;
               INSERT INTO persons.allowlist (subscriber_id, reason, allowed_by, allowed_until)
               VALUES ('made-up-4', 'a call centre', 'me', now() + interval '1 day')"""
        )

    # ---- dbt ----

    def environment(self) -> dict[str, str]:
        """What dbt finds."""
        address = urllib.parse.urlsplit(self.url)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "DBT_HOST": address.hostname,
            "DBT_PORT": str(address.port),
            "DBT_USER": "dbt",
            "DBT_ENV_SECRET_PASSWORD": password_of("dbt"),
            "DBT_DATABASE": self.name,
            "DBT_PROJECT_DIR": str(REPOSITORY / "dbt"),
            "DBT_PROFILES_DIR": str(REPOSITORY / "dbt"),
            "DBT_TARGET_PATH": str(self.folder / "target"),
            "DBT_LOG_PATH": str(self.folder / "logs"),
            "DBT_USE_COLORS": "false",
        }

    def start_dbt(self, *arguments: str) -> subprocess.Popen:
        """Starts dbt, in a process of its own."""
        return subprocess.Popen(
            [os.environ.get("DBT") or pathlib.Path(sys.prefix) / "bin" / "dbt", *arguments],
            env=self.environment(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def dbt(self, *arguments: str, code: int = 0) -> str:
        """Runs dbt, which must end with that exit code; what it printed."""
        process = self.start_dbt(*arguments)
        output, _ = process.communicate(timeout=LONGEST_COMMAND_SECONDS)
        assert process.returncode == code, f"dbt {arguments}: {process.returncode}\n{output[-6000:]}"
        return output

    # ---- What the tables hold ----

    def execute(self, statements: str, *values: object) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(statements, values or None)

    def query(self, statement: str, *values: object) -> list[tuple]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall()

    def value(self, statement: str, *values: object) -> object:
        ((found,),) = self.query(statement, *values)
        return found

    def fingerprint(self, table: str, columns: str = "*") -> str:
        """One text for all rows of a table of marts, in no order."""
        return self.value(
            f"""SELECT count(*) || ' rows, ' || coalesce(sum(hashtextextended(part::text, 0)::numeric), 0)
                FROM (SELECT {columns} FROM marts.{table}) AS part"""
        )

    def fingerprints(self) -> dict[str, str]:
        return {table: self.fingerprint(table) for table in MARTS}

    def hourly_days(self) -> dict[object, str]:
        """One text for each UTC day of the hourly rows, when they were built included."""
        return dict(
            self.query(
                """SELECT utc_date, count(*) || ' ' || sum(hashtextextended(part::text, 0)::numeric)
                   FROM marts.fct_traffic_hourly AS part GROUP BY 1"""
            )
        )

    def hourly_off_minutes(self, condition: str = "true") -> list[tuple]:
        """Hours that differ from the minutes, added up here in another way than dbt does; those with rows of
        others are left out."""
        return self.query(
            f"""WITH counted (hour_utc, event_type, region, kind, sums) AS (
                    SELECT date_trunc('hour', window_start), event_type, region, 'on time',
                           ROW(sum(event_count), sum(total_duration), sum(exact_data_mb), sum(exact_amount))::text
                    FROM real_time_metrics WHERE own GROUP BY 1, 2, 3
                    UNION ALL
                    SELECT date_trunc('hour', window_start), event_type, region, 'late',
                           ROW(sum(event_count), sum(total_duration), sum(exact_data_mb), sum(exact_amount))::text
                    FROM late_metrics GROUP BY 1, 2, 3),
                built (hour_utc, event_type, region, kind, sums) AS (
                    SELECT hour_utc, event_type, region, 'on time',
                           ROW(on_time_events, on_time_seconds, on_time_mb, on_time_tenge)::text
                    FROM marts.fct_traffic_hourly WHERE rows_of_others = 0 AND on_time_events > 0
                    UNION ALL
                    SELECT hour_utc, event_type, region, 'late',
                           ROW(late_events, late_seconds, late_mb, late_tenge)::text
                    FROM marts.fct_traffic_hourly WHERE rows_of_others = 0 AND late_events > 0)
                SELECT hour_utc, event_type, region, kind, counted.sums, built.sums
                FROM counted FULL JOIN built USING (hour_utc, event_type, region, kind)
                WHERE ({condition}) AND counted.sums IS DISTINCT FROM built.sums"""
        )

    def denied(self, user: str, statement: str) -> bool:
        """Whether a statement of a user fails for want of rights; it must not fail for another reason."""
        connection = psycopg2.connect(self.url_of(user))
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
            return False
        except psycopg2.errors.InsufficientPrivilege:
            return True
        finally:
            connection.rollback()
            connection.close()

    def url_of(self, user: str) -> str:
        """The database's address for one of the two users."""
        address = urllib.parse.urlsplit(self.url)
        return f"postgresql://{user}:{password_of(user)}@{address.hostname}:{address.port}/{self.name}"
