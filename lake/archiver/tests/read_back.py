"""Reads a lake back with programs that share no code with the archiver: read_back.py LAKE_URL events|subscribers|search [TEXT]."""

import json
import pathlib
import sys

import duckdb
import duckdb_extension_delta
import pyarrow.parquet
from deltalake import DeltaTable

SUMMARY = """
    SELECT COUNT(*) AS rows, COUNT(DISTINCT (topic, generation, partition, "offset")) AS offsets,
           COALESCE(SUM(duration_seconds), 0)::BIGINT AS seconds, COALESCE(SUM(data_mb), 0)::VARCHAR AS data_mb,
           COALESCE(SUM(amount), 0)::VARCHAR AS amount, COUNT(DISTINCT subscriber_id) AS subscribers,
           COUNT(extra) AS extras, COUNT(DISTINCT event_date) AS dates,
           MIN("timestamp")::VARCHAR AS first, MAX("timestamp")::VARCHAR AS last,
           COUNT(*) FILTER (WHERE CAST("timestamp" AT TIME ZONE 'UTC' AS DATE) <> event_date) AS misplaced
    FROM source
"""


def summary(connection, source):
    """What a table of events holds: rows, distinct places, and sums that leave no column out."""
    asked = connection.execute(SUMMARY.replace("source", source))
    found = dict(zip([column[0] for column in asked.description], asked.fetchone()))
    assert found["misplaced"] == 0, found
    return found


def database():
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    # From a package: a test downloads nothing while it runs.
    (extension,) = pathlib.Path(duckdb_extension_delta.__file__).parent.rglob("delta.duckdb_extension")
    connection.execute(f"LOAD '{extension}'")
    return connection


def events(url):
    connection = database()
    connection.register("lake", DeltaTable(f"{url}/events").to_pyarrow_table())
    for (extra,) in connection.execute("SELECT DISTINCT extra FROM lake WHERE extra IS NOT NULL LIMIT 100").fetchall():
        json.loads(extra)
    found = {"deltalake": summary(connection, "lake")}
    if url.startswith("file:"):
        found["duckdb"] = summary(connection, f"delta_scan('{folder(url) / 'events'}')")
    return found


def subscribers(url):
    connection = database()
    connection.register("of_day", DeltaTable(f"{url}/subscribers").to_pyarrow_table())
    connection.register("all_events", DeltaTable(f"{url}/events").to_pyarrow_table())
    dates = [str(date) for (date,) in connection.execute("SELECT DISTINCT date FROM of_day").fetchall()]
    by_subscriber = connection.execute(
        """
        SELECT subscriber, events, calls, messages, data_sessions, recharges, other_events, duration_seconds,
               data_mb::DECIMAL(38, 6)::VARCHAR, amount::DECIMAL(38, 6)::VARCHAR, distinct_counterparties,
               distinct_towers, first_minute::VARCHAR, last_minute::VARCHAR
        FROM of_day WHERE named_by = 'subscriber_id' ORDER BY subscriber
        """
    ).fetchall()
    from_events = connection.execute(
        f"""
        SELECT subscriber_id, COUNT(*), COUNT(*) FILTER (WHERE event_type = 'call'),
               COUNT(*) FILTER (WHERE event_type = 'sms'), COUNT(*) FILTER (WHERE event_type = 'data_session'),
               COUNT(*) FILTER (WHERE event_type = 'balance_recharge'),
               COUNT(*) FILTER (WHERE event_type NOT IN ('call', 'sms', 'data_session', 'balance_recharge')),
               COALESCE(SUM(duration_seconds), 0)::BIGINT,
               COALESCE(SUM(data_mb), 0)::DECIMAL(38, 6)::VARCHAR, COALESCE(SUM(amount), 0)::DECIMAL(38, 6)::VARCHAR,
               COUNT(DISTINCT counterparty_id), COUNT(DISTINCT cell_tower_id),
               date_trunc('minute', MIN("timestamp"))::VARCHAR, date_trunc('minute', MAX("timestamp"))::VARCHAR
        FROM all_events WHERE event_date = DATE '{dates[0]}' AND subscriber_id <> ''
        GROUP BY subscriber_id ORDER BY subscriber_id
        """
    ).fetchall()
    others = connection.execute(
        "SELECT named_by, SUM(events)::BIGINT FROM of_day WHERE named_by <> 'subscriber_id' GROUP BY named_by"
    ).fetchall()
    (nobody,) = connection.execute(
        "SELECT COUNT(*) FROM all_events WHERE COALESCE(subscriber_id, '') = '' AND COALESCE(msisdn, '') = ''"
    ).fetchone()
    return {
        "dates": dates,
        "by_subscriber": by_subscriber,
        "from_events": from_events,
        "others": dict(others),
        "nobody": nobody,
    }


def folder(url):
    return pathlib.Path(url.removeprefix("file://"))


def search(url, text):
    """Whether any Parquet file, of whatever version, names the text in some column, or the log does."""
    for path in folder(url).rglob("*.parquet"):
        if "_delta_log" in path.parts:
            continue
        for column in pyarrow.parquet.read_table(path, partitioning=None).columns:
            if str(column.type) == "string" and any(text in (value or "") for value in column.to_pylist()):
                return True
    return any(text.encode() in path.read_bytes() for path in folder(url).rglob("_delta_log/*.json"))


if __name__ == "__main__":
    url, what, *text = sys.argv[1:]
    if what == "search":
        print(json.dumps(search(url, *text)))
    else:
        print(json.dumps({"events": events, "subscribers": subscribers}[what](url)))
