"""At 02:00 UTC of every day: computes the statistics of the day before, judged and checked.

In: a run of the DAG, and the worker's environment: DATABASE_URL for batcher, BUSINESS_TIMEZONE (UTC
unless set), BATCHER (the program's path, unless it is on PATH), BATCH_HOUR (the hour, UTC; 2 unless set),
INCLUDE_LATE (`true`: late events are part of the day). The last two are for operators whose records come in
files, hours after the events. RETAIN_... of `batcher lifecycle`: where one is set, the task expire deletes what is older, with
LIFECYCLE_DATABASE_URL in place of DATABASE_URL where that is set. Out: the day's rows of daily_stats, all written by batcher; nothing here talks
to the database.

| run                                   | the day that it computes                              |
|---------------------------------------|-------------------------------------------------------|
| any, with {"date": "2025-11-09"}      | that day                                              |
| scheduled, or of a backfill           | the day in which its data interval starts: at 02:00   |
|                                       | of day D+1 it is day D                                |
| manual, with a logical date           | the day of the logical date                           |
| manual, with neither (3.x)            | none: it fails and says how to name a day             |

A manual run does not ask its data interval: that of the logical date 2025-11-09 00:00 starts on
2025-11-07 on Airflow 2.7, and two days before the moment of triggering, or nowhere, on 3.x.

Beside it, whatever became of that day, correct_stale_days computes again the days that have changed
since they were computed, and then expire, where it exists, deletes old minutes of days that are final. The ends of notify and of correct_stale_days start the DAG warehouse_models, where
that is not paused.

Every exit code but 0 fails its task, which is tried twice more, 5 minutes apart. Of these, 75 (the day
can still change, or has just changed) is the one that time alone may cure. One skips: 99 of check_data,
no event was ever counted, as on a new system. A day without data among others fails.
docs/scheduling.md of the project has the codes and what to do about each.
"""

from __future__ import annotations

import datetime
import logging
import os
import re

import dateutil.tz

try:  # Airflow 3
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.sdk import DAG, Asset, Param
    from airflow.sdk.exceptions import AirflowFailException
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.datasets import Dataset as Asset
    from airflow.exceptions import AirflowFailException
    from airflow.models.param import Param
    from airflow.operators.bash import BashOperator

try:
    from airflow.sdk import CronDataIntervalTimetable
except ImportError:  # Airflow 2, and the first releases of 3
    from airflow.timetables.interval import CronDataIntervalTimetable

DAG_ID = "daily_metrics_batch"
# What the DAG warehouse_models waits for: daily_stats may have changed.
DAILY_STATS = Asset("telecom_daily_stats")
# Far longer than any day takes: a task that hangs ends, and is tried again.
LONGEST_TASK = datetime.timedelta(hours=1)

# Of these runs Airflow chose the data interval by the timetable; the others were asked for.
RUN_TYPES_BY_TIMETABLE = ("scheduled", "backfill")

HOW_TO_NAME_A_DAY = 'trigger the run with {"date": "2025-11-09"}'

log = logging.getLogger(__name__)


def business_timezone(name: str) -> datetime.tzinfo:
    """The time zone of that name of the tz database."""
    zone = dateutil.tz.gettz(name)
    if zone is None:
        # Raised while the file is read, so that it shows as an import error.
        raise ValueError(
            f"BUSINESS_TIMEZONE: {name!r} is not a name of the tz database, like Asia/Almaty"
        )
    return zone


def batch_hour(text: str) -> int:
    """The hour of the day, UTC, at which the day before is computed."""
    if not re.fullmatch(r"[0-9]{1,2}", text) or int(text) > 23:
        raise ValueError(f"BATCH_HOUR: {text!r} is not an hour from 0 to 23")
    return int(text)


def late_flag(text: str) -> str:
    """What batcher is told about late events: nothing, or to count them."""
    if text not in ("", "true", "false"):
        raise ValueError(f"INCLUDE_LATE: {text!r} is neither true nor false")
    return "--include-late " if text == "true" else ""


def something_expires(environment) -> bool:
    """Whether batcher lifecycle is given a time for anything: an empty one means for ever."""
    return any(name.startswith("RETAIN_") and value for name, value in environment.items())


ZONE = business_timezone(os.environ.get("BUSINESS_TIMEZONE") or "UTC")
HOUR = batch_hour(os.environ.get("BATCH_HOUR") or "2")
LATE_FLAG = late_flag(os.environ.get("INCLUDE_LATE") or "")
EXPIRES = something_expires(os.environ)


def day_of(dag_run, zone: datetime.tzinfo = ZONE) -> str:
    """The day that a run computes, YYYY-MM-DD, as the table above says.

    Fails the task for good when the run names no day, or none of the calendar: no retry can cure that.
    """
    given = (dag_run.conf or {}).get("date")
    if given is not None and given != "":
        return checked_date(given)
    if dag_run.run_type in RUN_TYPES_BY_TIMETABLE:
        return dag_run.data_interval_start.astimezone(zone).date().isoformat()
    if dag_run.logical_date is None:
        raise AirflowFailException(f"this run names no day; {HOW_TO_NAME_A_DAY}")
    return day_of_logical_date(dag_run.logical_date, zone)


def day_of_logical_date(moment: datetime.datetime, zone: datetime.tzinfo) -> str:
    """The day of a logical date that a person chose.

    A bare date on the command line becomes midnight UTC, whatever the business time zone is; it
    means that date. Any other moment is one of the calendar page that the person looked at.
    """
    in_utc = moment.astimezone(datetime.timezone.utc)
    if in_utc.time() == datetime.time.min:
        return in_utc.date().isoformat()
    return moment.astimezone(zone).date().isoformat()


def checked_date(given: object) -> str:
    """`given`, if it is a date of the calendar as YYYY-MM-DD.

    Stricter than Airflow's own check of the parameter: 2.7's lets 20251109 and 2025-W45-7 pass.
    """
    if isinstance(given, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", given):
        try:
            return datetime.date.fromisoformat(given).isoformat()
        except ValueError:
            pass  # 2025-02-30: not in the calendar
    raise AirflowFailException(f"date {given!r} is not a day like 2025-11-09; {HOW_TO_NAME_A_DAY}")


def log_failure(context) -> None:
    """Says in the log of a task that is not tried again what it means for the run."""
    log.error(
        "%s: %s failed for good, the run %s ends here: %s. When the cause is gone, clear this task. "
        "Exit codes are explained in docs/scheduling.md.",
        DAG_ID,
        context["task_instance"].task_id,
        context["run_id"],
        context.get("exception"),
    )


def task(
    task_id: str,
    command: str,
    trigger_rule: str = "all_success",
    skip_on: int | None = None,
    outlets: tuple = (),
    **environment: str,
) -> BashOperator:
    """A task that runs a constant command. What varies reaches it by environment variables alone,
    so that nothing which a run is triggered with is ever read as shell."""
    return BashOperator(
        task_id=task_id,
        bash_command=command,
        trigger_rule=trigger_rule,
        env={"DAY": "{{ day_of(dag_run) }}", **environment},
        append_env=True,
        # A task that is skipped skips the rest of the run, as if all were well.
        skip_on_exit_code=skip_on,
        outlets=list(outlets),
    )


with DAG(
    dag_id=DAG_ID,
    description="Daily statistics of the telecom events, computed by batcher",
    doc_md=__doc__,
    # Stated in full: since 3.0 a bare cron string means a timetable without a data interval.
    schedule=CronDataIntervalTimetable(f"0 {HOUR} * * *", timezone="UTC"),
    # The first day that an event can have: no earlier logical date would ever be run.
    start_date=datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={
        "retries": 2,
        "retry_delay": datetime.timedelta(minutes=5),
        "execution_timeout": LONGEST_TASK,
        "on_failure_callback": log_failure,
    },
    params={
        "date": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Day to compute",
            description="YYYY-MM-DD, a day of the business time zone. Empty: the day of the logical date.",
        )
    },
    user_defined_macros={"day_of": day_of},
    tags=["telecom"],
) as dag:
    check_data = task("check_data", 'exec "${BATCHER:-batcher}" check "$DAY"', skip_on=99)
    run_batch = task("run_batch", f'exec "${{BATCHER:-batcher}}" {LATE_FLAG}"$DAY"')
    validate_results = task("validate_results", 'exec "${BATCHER:-batcher}" validate "$DAY"')
    notify = task(
        "notify",
        f'echo "{DAG_ID}: $DAY is computed and valid. $SUMMARY"',
        outlets=(DAILY_STATS,),
        # The last line that batcher printed: how many rows from how many windows, and if final.
        SUMMARY="{{ ti.xcom_pull(task_ids='run_batch') }}",
    )

    # Other days do not depend on this one: also after a night that failed.
    correct_stale_days = task(
        "correct_stale_days",
        'exec "${BATCHER:-batcher}" --stale',
        trigger_rule="all_done",
        outlets=(DAILY_STATS,),
    )

    check_data >> run_batch >> validate_results >> notify
    run_batch >> correct_stale_days

    if EXPIRES:
        # Behind the corrections: what is corrected tonight is final, and may go. A night that failed keeps nothing
        # that is old enough, for that is asked day by day.
        correct_stale_days >> task(
            "expire",
            'DATABASE_URL="${LIFECYCLE_DATABASE_URL:-$DATABASE_URL}" exec "${BATCHER:-batcher}" lifecycle',
            trigger_rule="all_done",
        )
