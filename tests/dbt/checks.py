"""The checks of the models of dbt/: a PASS or FAIL line each, measurements as MEASURED lines.

In: `sandbox run`, BINARIES. Out: lines on standard output, DONE last. Events come from the producer through
Kafka and the streamer, daily figures from the batcher.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import sys
import tempfile

import rights
import killed
import year
from proof import check, equal, say
from warehouse import MARTS, Warehouse

# Two whole weeks, from a Saturday; the day that late events come to; and days for other faults.
# An hour more, so that the last day is complete.
BEGIN, END = "2025-11-01", "2025-11-16T01:00:00Z"
LATE_DAY, EXPIRED_DAY, FOREIGN_DAY = "2025-11-05", "2025-11-02", "2025-11-08"
ON_TIME_ROWS = "fct_traffic_hourly WHERE on_time_events > 0"
ON_TIME_COLUMNS = "hour_utc, event_type, region, on_time_events, on_time_seconds, on_time_mb, on_time_tenge"


def changed_days(before: dict, after: dict) -> set[str]:
    """The UTC days whose hourly rows are not the same."""
    return {str(day) for day in before.keys() | after.keys() if before.get(day) != after.get(day)}


def first_build(house: Warehouse) -> None:
    """From nothing: an empty pipeline, then two weeks of events."""
    with check("a pipeline that has counted nothing: everything is built, empty, and every test passes"):
        house.dbt("build")
        equal(house.value("SELECT count(*) FROM marts.fct_traffic_hourly"), 0)
    house.produce(1, BEGIN, END)
    house.program("batcher", "--from", BEGIN, "--to", "2025-11-15")
    with check("two weeks of events: every test passes, and the hours are the minutes, added up another way"):
        house.dbt("build")
        equal(house.hourly_off_minutes(), [])
        equal(house.value("SELECT sum(on_time_events) FROM marts.fct_traffic_hourly"), house.value("SELECT sum(on_time) FROM stream_progress"))
    with check("daily figures are those of daily_stats, per 1,000 inhabitants and against the week before"):
        equal(
            house.query(
                """SELECT s.date, s.event_type, s.region FROM daily_stats s FULL JOIN marts.fct_region_daily m
                       USING (date, event_type, region)
                   LEFT JOIN marts.dim_region r ON r.region = m.region
                   LEFT JOIN daily_stats w ON w.date = s.date - 7 AND w.event_type = s.event_type AND w.region = s.region
                   WHERE s.region <> 'ALL' AND s.event_type <> 'most_active' AND (
                       (s.total_events, s.total_data_tb, s.total_amount, s.distinct_subscribers)
                           IS DISTINCT FROM (m.total_events, m.total_data_tb, m.total_tenge, m.distinct_subscribers)
                       OR abs(m.events_per_1000 - s.total_events / (r.inhabitants / 1000.0)) IS DISTINCT FROM NULL
                          AND abs(m.events_per_1000 - s.total_events / (r.inhabitants / 1000.0)) > 1e-9
                       OR m.events_week_before IS DISTINCT FROM w.total_events
                       OR abs(m.events_change - (s.total_events - w.total_events) / w.total_events::float8) > 1e-9
                       OR (w.total_events IS NULL) <> (m.events_change IS NULL)
                       OR r.inhabitants IS NULL)"""
            ),
            [],
        )
        equal(house.query("SELECT DISTINCT state FROM marts.fct_region_daily ORDER BY 1"), [("final",)])
    with check("weeks and months add days up, and only those with all of their days are complete"):
        equal(
            house.query("SELECT DISTINCT first_day::text, days_computed, is_complete FROM marts.fct_region_weekly ORDER BY 1"),
            [("2025-10-27", 2, False), ("2025-11-03", 7, True), ("2025-11-10", 6, False)],
        )
        equal(
            house.query("SELECT DISTINCT first_day::text, days_expected, days_computed, is_complete FROM marts.fct_region_monthly"),
            [("2025-11-01", 30, 15, False)],
        )
        for table in ("fct_region_weekly", "fct_region_monthly"):
            equal(house.value(f"SELECT sum(total_events) FROM marts.{table}"), house.value("SELECT sum(total_events) FROM daily_stats WHERE region = 'ALL'"))


def increments(house: Warehouse) -> None:
    """What changes is built again, and nothing else."""
    with check("a second run leaves every row of every table as it was, to when it was built"):
        before = house.fingerprints()
        house.dbt("build")
        equal(house.fingerprints(), before)

    with check("late events into a computed day: only that day's hours change, apart from those on time; no daily figure does"):
        before, daily = house.hourly_days(), house.fingerprint("fct_region_daily")
        on_time = house.fingerprint(ON_TIME_ROWS, ON_TIME_COLUMNS)
        house.produce(2, f"{LATE_DAY}T10:00:00Z", f"{LATE_DAY}T12:00:00Z")
        assert house.value("SELECT sum(event_count) FROM late_metrics") > 0, "nothing came late"
        output = house.dbt("build")
        assert f"1 changed days: {LATE_DAY}" in output, output
        equal(changed_days(before, house.hourly_days()), {LATE_DAY})
        equal(house.hourly_off_minutes(), [])
        equal(house.fingerprint("fct_region_daily"), daily)
        equal(house.fingerprint(ON_TIME_ROWS, ON_TIME_COLUMNS), on_time)

    with check("the day computed again with its late events: its daily rows change, and what the week after is compared with"):
        before = dict(house.query("SELECT date::text, sum(hashtextextended(m::text, 0)::numeric) FROM marts.fct_region_daily m GROUP BY 1"))
        house.program("batcher", LATE_DAY, "--include-late")
        house.dbt("build")
        after = dict(house.query("SELECT date::text, sum(hashtextextended(m::text, 0)::numeric) FROM marts.fct_region_daily m GROUP BY 1"))
        equal({day for day in before if before[day] != after[day]}, {LATE_DAY, "2025-11-12"})
        equal(house.value("SELECT count(*) FROM marts.fct_region_daily WHERE date = '2025-11-12' AND events_change IS NOT NULL"), 0)

    with check("the snapshot has what was reported before and after, and from when to when"):
        rows = house.query(
            """SELECT total_events, dbt_valid_to IS NULL FROM marts.daily_stats_reported
               WHERE date = %s AND event_type = 'call' AND region = 'ALL' ORDER BY dbt_valid_from""",
            LATE_DAY,
        )
        equal([still for _, still in rows], [False, True])
        late = house.value("SELECT sum(event_count) FROM late_metrics WHERE event_type = 'call' AND window_start::date = %s", LATE_DAY)
        equal(rows[1][0] - rows[0][0], late)


def wrong_rows(house: Warehouse) -> None:
    """A row that is not right fails the tests, and the failure names what is wrong."""
    with check("a planted wrong row of daily_stats fails, by name, and is mended by the batcher"):
        house.execute("UPDATE daily_stats SET total_events = total_events + 1 WHERE date = '2025-11-10' AND event_type = 'sms' AND region = 'Semey'")
        output = house.dbt("build", code=1)
        for test in ("hourly_equals_daily", "all_is_the_sum_of_the_regions"):
            assert f"Failure in test {test}" in output, output
        house.program("batcher", "2025-11-10")
        house.dbt("build")

    with check("a planted wrong row of the hours fails, by name, and is mended by forget_day and a run"):
        house.execute("UPDATE marts.fct_traffic_hourly SET on_time_mb = on_time_mb + 1 WHERE hour_utc = '2025-11-10 08:00' AND region = 'Semey'")
        assert "Failure in test hourly_equals_daily" in house.dbt("build", code=1)
        house.dbt("run-operation", "forget_day", "--args", "{utc_date: 2025-11-10}")
        house.dbt("build")
        equal(house.hourly_off_minutes(), [])

    with check("accounting that does not come to 0 fails"):
        house.execute("UPDATE stream_progress SET skipped = skipped + 1 WHERE partition = 0")
        output = house.dbt("build", code=1)
        house.execute("UPDATE stream_progress SET skipped = skipped - 1 WHERE partition = 0")
        assert "accounting_is_zero" in output, output

    with check("a region that dim_region does not have, in rows of others: a warning, exit code 0, and traffic counts"):
        house.execute(
            """INSERT INTO real_time_metrics (window_start, window_end, event_type, region, event_count, total_duration,
                   total_data_mb, total_amount)
               VALUES (%s::date + interval '8 hours', %s::date + interval '8 hours 1 minute', 'call', 'Atlantis', 7, 60, 1.5, 0)""",
            FOREIGN_DAY, FOREIGN_DAY,
        )
        house.program("batcher", FOREIGN_DAY)
        output = house.dbt("build")
        assert "Warning in test unknown_region" in output, output
        equal(house.query("SELECT on_time_events, rows_of_others FROM marts.fct_traffic_hourly WHERE region = 'Atlantis'"), [(7, 1)])
    with check("rows of others that go leave their hours as they were; after forget_day they are gone there too"):
        house.execute("DELETE FROM real_time_metrics WHERE region = 'Atlantis'")
        house.program("batcher", FOREIGN_DAY)
        house.dbt("build")
        equal(house.query("SELECT on_time_events, minutes_have_expired FROM marts.fct_traffic_hourly WHERE region = 'Atlantis'"), [(7, True)])
        house.dbt("run-operation", "forget_day", "--args", f"{{utc_date: {FOREIGN_DAY}}}")
        house.dbt("build")
        equal(house.value("SELECT count(*) FROM marts.fct_traffic_hourly WHERE region = 'Atlantis' OR minutes_have_expired"), 0)


def freshness(house: Warehouse) -> None:
    """A partition that nobody stores is noticed, whatever the others do."""
    with check("source freshness: fresh after a flush; one partition an hour behind is an error, exit code 1"):
        house.execute("UPDATE stream_progress SET updated_at = now()")
        house.dbt("source", "freshness")
        house.execute("UPDATE stream_progress SET updated_at = now() - interval '61 minutes' WHERE partition = 2")
        assert "ERROR STALE" in house.dbt("source", "freshness", code=1)
        house.execute("UPDATE stream_progress SET updated_at = now()")


def bounds_inside_hours(house: Warehouse) -> None:
    """A business day that begins at a quarter past an hour of UTC."""
    with check("days of Kathmandu, UTC+5:45: hours and days still agree, with the minutes of the hours between"):
        house.program("streamer", "settings", "set", "--business-timezone", "Asia/Kathmandu")
        house.program("batcher", "--stale", "--include-open")
        house.dbt("build")
        equal(house.value("SELECT count(*) > 10 FROM day_states WHERE state = 'final' AND extract(minute FROM day_start) = 15"), True)
    with check("the same with a wrong minute in an hour that two days share: it fails"):
        shared_minute = "window_start = '2025-11-09 18:20' AND event_type = 'data_session' AND region = 'Almaty'"
        equal(house.value(f"SELECT count(*) FROM real_time_metrics WHERE {shared_minute}"), 1)
        house.execute(f"UPDATE real_time_metrics SET event_count = event_count + 1 WHERE {shared_minute}")
        assert "Failure in test hourly_equals_daily" in house.dbt("build", code=1)
        house.execute(f"UPDATE real_time_metrics SET event_count = event_count - 1 WHERE {shared_minute}")
        house.program("streamer", "settings", "set", "--business-timezone", "UTC")
        house.program("batcher", "--stale", "--include-open")
        house.dbt("build")


def expired_minutes(house: Warehouse) -> None:
    """Minutes that are gone, as after an expiry: what was added up of them stays."""
    columns = "hour_utc, event_type, region, on_time_events, on_time_mb, late_events, built_at"
    with check("a day whose minutes have expired keeps its hours, also with --full-refresh"):
        before = house.fingerprint("fct_traffic_hourly", columns)
        house.execute("DELETE FROM real_time_metrics WHERE window_start::date = %s", EXPIRED_DAY)
        house.dbt("build")
        house.dbt("build", "--full-refresh")
        equal(house.fingerprint("fct_traffic_hourly", columns), before)
        equal(house.hourly_off_minutes(f"hour_utc::date <> '{EXPIRED_DAY}'"), [])
    with check("an event that comes late to such a day does not take the place of what was there, and is named by data quality"):
        house.produce(4, f"{EXPIRED_DAY}T10:00:00Z", f"{EXPIRED_DAY}T10:10:00Z")
        output = house.dbt("build")
        assert "Warning in test events_in_no_hour" in output, output
        late = house.value("SELECT sum(event_count) FROM late_metrics WHERE window_start::date = %s", EXPIRED_DAY)
        equal(house.query("SELECT date::text, value FROM marts.mart_data_quality WHERE measure = 'events in no hour'"), [(EXPIRED_DAY, late)])
        equal(house.fingerprint("fct_traffic_hourly", columns), before)
    with check("forget_day refuses a day whose minutes have expired"):
        output = house.dbt("run-operation", "forget_day", "--args", f"{{utc_date: {EXPIRED_DAY}}}", code=1)
        assert "have expired; their hourly rows are all that is left" in output, output
        equal(house.fingerprint("fct_traffic_hourly", columns), before)


def data_quality(house: Warehouse) -> None:
    """What is not well is in mart_data_quality."""
    with check("data quality: late share, dead letters by reason, losses, days that are stale, runs that failed"):
        house.execute(
            """INSERT INTO dead_letters (topic, generation, partition, "offset", reason, detail, stored_at)
               VALUES ('x', 0, 0, 1, 'not_json', '', '2025-11-12 10:00'), ('x', 0, 0, 2, 'not_json', '', '2025-11-12 11:00');
               INSERT INTO gaps (topic, generation, partition, position, reason, accepted_by, cause, from_offset, to_offset, carried_out_at)
               VALUES ('x', 0, 0, 5, 'r', 'me', 'overtaken', 5, 12, '2025-11-13 10:00');
               INSERT INTO batch_runs (date, business_timezone, day_start, day_end, include_late, started_by)
               VALUES ('2025-11-14', 'UTC', '2025-11-14', '2025-11-15', false, 'me');
               INSERT INTO batch_runs (date, business_timezone, day_start, day_end, include_late, started_by, finished_at, outcome, error)
               VALUES ('2025-11-20', 'UTC', '2025-11-20', '2025-11-21', false, 'me', now(), 'failed', 'no disk')"""
        )
        house.dbt("build")
        found = {(str(date), measure, detail.split(" that ")[0]): value for date, measure, detail, value in house.query(
            "SELECT date, measure, detail, value FROM marts.mart_data_quality")}
        equal(found["2025-11-12", "dead letters", "not_json"], 2)
        equal(found["2025-11-13", "records lost", "overtaken"], 7)
        equal(found["2025-11-14", "day stale", "the run"], 1)
        equal(found["2025-11-20", "last run failed", "no disk"], 1)
        ((on_time, late),) = house.query("SELECT sum(on_time), sum(late) FROM day_ledger WHERE quarter_start::date = %s", LATE_DAY)
        equal(round(found[LATE_DAY, "late share", ""], 9), round(float(late / (on_time + late)), 9))
        equal(house.value("SELECT DISTINCT state FROM marts.fct_region_daily WHERE date = '2025-11-14'"), "stale")


def frauds(house: Warehouse) -> None:
    """How many, and nobody's name."""
    house.accuse()
    with check("frauds are counted by the day of the first hit, rule, mode and state, as the fraud desk sees them"):
        house.dbt("build")
        equal(
            house.query("SELECT utc_date::text, rule, mode, state, cases, alerts, hits FROM marts.fct_fraud ORDER BY 1, 2, 4"),
            [
                ("2025-11-09", "sim_box", "live", "confirmed", 2, 2, 14),
                ("2025-11-09", "sim_box", "live", "expired", 1, 1, 8),
                ("2025-11-09", "sim_box", "live", "open", 1, 2, 7),
                ("2025-11-10", "sim_box", "live", "open", 1, 1, 1),
                ("2025-11-10", "sms_flood", "shadow", "allowed", 1, 1, 7),
                ("2025-11-10", "sms_flood", "shadow", "dismissed", 1, 1, 6),
            ],
        )
    with check("no row of marts names one of the subscribers, who are in persons"):
        relations = [name for (name,) in house.query("SELECT relname FROM pg_class WHERE relnamespace = 'marts'::regnamespace AND relkind IN ('r', 'v')")]
        assert set(MARTS) < set(relations), relations
        naming = {name: house.value(f"SELECT count(*) FROM marts.{name} AS named WHERE named::text LIKE '%made-up-%'") for name in relations}
        equal({name: rows for name, rows in naming.items() if rows}, {})
        equal(house.value("SELECT count(*) FROM persons.alerts AS named WHERE named::text LIKE '%made-up-%'"), 8)


def main() -> None:
    """All checks, one after the other, on one database; the year on another."""
    with tempfile.TemporaryDirectory(prefix="dbt-") as folder:
        house = Warehouse("warehouse", pathlib.Path(folder))
        with contextlib.closing(house):
            for part in (first_build, increments, wrong_rows, freshness, bounds_inside_hours, killed.checks, expired_minutes, data_quality, frauds, rights.checks):
                part(house)
    if os.environ.get("DBT_YEAR") != "no":
        with tempfile.TemporaryDirectory(prefix="dbt-") as folder:
            year.checks(pathlib.Path(folder))
    say("DONE")


if __name__ == "__main__":
    # Ends as by Ctrl-C: what has been started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    main()
