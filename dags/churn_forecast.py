"""Every night: a day's subscriber-days in the lake. On Mondays also: a model is trained, and everybody is scored.

In: a run of the DAG, and the worker's environment: DATABASE_URL, LAKE_URL, SUBSCRIBER_KEY_EPOCH for the programs, BUSINESS_TIMEZONE (UTC
unless set), ARCHIVER and CHURN (the programs' paths, unless they are on PATH). Out: rows of the lake's table of subscriber-days, of
churn_models and of persons.churn_scores; nothing here talks to the database.

| run                                 | AS_OF, the day of the question                                        |
|-------------------------------------|-----------------------------------------------------------------------|
| any, with {"as_of": "2025-11-10"}   | that day; trained and scored whatever weekday it is                   |
| scheduled, or of a backfill         | the day, in the business time zone, on which its data interval ends   |
| manual, without                     | none: it fails and says how to name a day                             |

write_days writes the three days before AS_OF anew, because late events may have changed the first two. A training that is refused
(exit 5: too little history, a stale day, another key) fails its task and, by report, the run; score_subscribers goes on with the former model.
Which days a refusal names, `archiver subscribers DAY` mends.

It is paused when Airflow meets it: where there is a lake, `airflow dags unpause churn_forecast`. docs/churn.md of the project has the rest.
"""

from __future__ import annotations

import datetime
import os
import re

import dateutil.tz

try:  # Airflow 3
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.sdk import DAG, Param
    from airflow.sdk.exceptions import AirflowFailException
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.exceptions import AirflowFailException
    from airflow.models.param import Param
    from airflow.operators.bash import BashOperator

try:
    from airflow.sdk import CronDataIntervalTimetable
except ImportError:  # Airflow 2, and the first releases of 3
    from airflow.timetables.interval import CronDataIntervalTimetable

# Of these runs Airflow chose the data interval by the timetable; the others were asked for.
RUN_TYPES_BY_TIMETABLE = ("scheduled", "backfill")
# What BashOperator takes for "skip": not a Monday.
NOT_TODAY = 99
# Far longer than a training takes.
LONGEST_TASK = datetime.timedelta(hours=2)


def business_timezone(name: str) -> datetime.tzinfo:
    """The time zone of that name of the tz database."""
    zone = dateutil.tz.gettz(name)
    if zone is None:
        # Raised while the file is read, so that it shows as an import error.
        raise ValueError(f"BUSINESS_TIMEZONE: {name!r} is not a name of the tz database, like Asia/Almaty")
    return zone


ZONE = business_timezone(os.environ.get("BUSINESS_TIMEZONE") or "UTC")


def as_of(dag_run, zone: datetime.tzinfo = ZONE) -> str:
    """The day of a run's question, YYYY-MM-DD, as the table above says.

    Fails the task for good when the run names no day, or none of the calendar: no retry can cure that.
    """
    given = (dag_run.conf or {}).get("as_of")
    if given is not None and given != "":
        if isinstance(given, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", given):
            try:
                return datetime.date.fromisoformat(given).isoformat()
            except ValueError:
                pass  # 2025-02-30: not in the calendar
        raise AirflowFailException(f'as_of {given!r} is not a day; trigger the run with {{"as_of": "2025-11-10"}}')
    if dag_run.run_type in RUN_TYPES_BY_TIMETABLE:
        return dag_run.data_interval_end.astimezone(zone).date().isoformat()
    raise AirflowFailException('this run names no day; trigger it with {"as_of": "2025-11-10"}')


def is_named(dag_run) -> str:
    """`yes`, if a person has named the day: then it matters not which weekday it is."""
    return "yes" if (dag_run.conf or {}).get("as_of") else ""


# On any other day than Monday the task is skipped.
ON_MONDAYS = f'[ -n "$NAMED" ] || [ "$(date -d "$AS_OF" +%u)" = 1 ] || exit {NOT_TODAY}; '


def task(task_id: str, command: str, trigger_rule: str = "all_success", skip_on: int | None = None) -> BashOperator:
    """A task that runs a constant command. What varies reaches it by environment variables alone,
    so that nothing which a run is triggered with is ever read as shell."""
    return BashOperator(
        task_id=task_id,
        bash_command=command,
        trigger_rule=trigger_rule,
        env={"AS_OF": "{{ as_of(dag_run) }}", "NAMED": "{{ is_named(dag_run) }}"},
        append_env=True,
        skip_on_exit_code=skip_on,
    )


with DAG(
    dag_id="churn_forecast",
    description="Subscriber-days of the lake, and who will leave",
    doc_md=__doc__,
    # Three hours after the daily statistics: the day must be complete, and archived.
    schedule=CronDataIntervalTimetable("0 5 * * *", timezone="UTC"),
    start_date=datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc),
    catchup=False,
    # Two runs would write the same days.
    max_active_runs=1,
    is_paused_upon_creation=True,
    default_args={
        "retries": 2,
        "retry_delay": datetime.timedelta(minutes=5),
        "execution_timeout": LONGEST_TASK,
    },
    params={
        "as_of": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Day of the question",
            description="YYYY-MM-DD, in the business time zone. Nothing of this day or later is used.",
        )
    },
    user_defined_macros={"as_of": as_of, "is_named": is_named},
    tags=["telecom"],
) as dag:
    write_days = task(
        "write_days",
        'for ago in 3 2 1; do "${ARCHIVER:-archiver}" subscribers "$(date -d "$AS_OF $ago days ago" +%F)" || exit; done',
    )
    train_model = task("train_model", f'{ON_MONDAYS}exec "${{CHURN:-churn}}" train --as-of "$AS_OF"', skip_on=NOT_TODAY)
    # Also after a training that was refused: the former model is still good.
    score_subscribers = task(
        "score_subscribers",
        f'{ON_MONDAYS}exec "${{CHURN:-churn}}" score --as-of "$AS_OF"',
        trigger_rule="all_done",
        skip_on=NOT_TODAY,
    )
    # The run has failed if either has.
    report = task("report", 'exec "${CHURN:-churn}" report')

    write_days >> train_model >> score_subscribers >> report
    train_model >> report
