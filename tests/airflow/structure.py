"""What the DAG is when Airflow has read its file, and which day it gives to which run.

In: Airflow's environment. Out: one JSON object on standard output. A process of its own: Airflow reads
its settings when it is imported.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
import types

# The contract's zone among them; in a zone west of UTC-2 the day that has ended is another one.
ZONES = ("UTC", "Asia/Almaty", "America/New_York", "Pacific/Kiritimati")

# What BATCH_HOUR and INCLUDE_LATE may be, and what not.
HOURS = ("2", "0", "23", "24", "-1", "2; id", "")
LATE_FLAGS = ("", "false", "true", "yes", "--stale")

# Environments in which something expires, and not.
EXPIRING = ({}, {"RETAIN_MINUTES": ""}, {"RETAIN_MINUTES": "400d"}, {"PATH": "x", "RETAIN_ALERTS": "30d"})

# (zone, run type, conf, logical date, data interval start, day; None: the run fails)
DAYS = (
    # A schedule's run: interval [D 02:00, D+1 02:00) UTC.
    ("UTC", "scheduled", {}, "2025-11-09T02:00", "2025-11-09T02:00", "2025-11-09"),
    ("UTC", "scheduled", None, "2025-11-09T02:00", "2025-11-09T02:00", "2025-11-09"),
    ("UTC", "backfill", {}, "2025-11-09T02:00", "2025-11-09T02:00", "2025-11-09"),
    ("Asia/Almaty", "scheduled", {}, "2025-11-09T02:00", "2025-11-09T02:00", "2025-11-09"),
    ("Pacific/Kiritimati", "scheduled", {}, "2025-11-09T02:00", "2025-11-09T02:00", "2025-11-09"),
    ("America/New_York", "scheduled", {}, "2025-11-09T02:00", "2025-11-09T02:00", "2025-11-08"),
    # A manual run never asks the interval: Airflow's guess is another day.
    (
        "UTC",
        "manual",
        {"date": "2025-11-09"},
        "2026-01-05T13:14:15",
        "2026-01-04T02:00",
        "2025-11-09",
    ),
    ("UTC", "manual", {"date": "2025-11-09"}, None, None, "2025-11-09"),
    ("America/New_York", "manual", {"date": "2025-11-09"}, None, None, "2025-11-09"),
    ("UTC", "manual", {}, "2025-11-09T00:00", "2025-11-07T02:00", "2025-11-09"),
    ("UTC", "manual", {"date": None}, "2025-11-09T00:00", "2025-11-07T02:00", "2025-11-09"),
    ("UTC", "manual", {"date": ""}, "2025-11-09T23:59:59", "2025-11-08T02:00", "2025-11-09"),
    # A bare date is midnight UTC and means that date; another moment is one of the zone.
    ("America/New_York", "manual", {}, "2025-11-09T00:00", "2025-11-07T02:00", "2025-11-09"),
    ("America/New_York", "manual", {}, "2025-11-09T04:59", "2025-11-08T02:00", "2025-11-08"),
    ("America/New_York", "manual", {}, "2025-11-09T05:00", "2025-11-08T02:00", "2025-11-09"),
    ("Pacific/Kiritimati", "manual", {}, "2025-11-08T10:00", "2025-11-07T02:00", "2025-11-09"),
    ("UTC", "operator_triggered", {}, "2025-11-09T12:00", "2025-11-08T02:00", "2025-11-09"),
    # No day, or none of the calendar.
    ("UTC", "manual", {}, None, None, None),
    ("UTC", "manual", {"date": "2025-02-30"}, "2025-11-09T00:00", None, None),
    ("UTC", "manual", {"date": "20251109"}, "2025-11-09T00:00", None, None),
    ("UTC", "manual", {"date": "2025-W45-7"}, "2025-11-09T00:00", None, None),
    ("UTC", "manual", {"date": "2025-11-09\n"}, "2025-11-09T00:00", None, None),
    ("UTC", "manual", {"date": "٢٠٢٥-11-09"}, "2025-11-09T00:00", None, None),
    ("UTC", "manual", {"date": "2025-11-09; id"}, "2025-11-09T00:00", None, None),
    ("UTC", "manual", {"date": "$(id)"}, "2025-11-09T00:00", None, None),
    ("UTC", "manual", {"date": "yesterday"}, "2025-11-09T00:00", None, None),
    ("UTC", "manual", {"date": 20251109}, "2025-11-09T00:00", None, None),
    ("UTC", "manual", {"date": ["2025-11-09"]}, "2025-11-09T00:00", None, None),
)


def moment(text: str | None) -> datetime.datetime | None:
    """An instant of UTC."""
    return text and datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc)


def wrong_days(module) -> list:
    """The rows of DAYS that come out differently, and how."""
    wrong = []
    for row in DAYS:
        zone, run_type, conf, logical_date, interval_start, expected = row
        run = types.SimpleNamespace(
            run_type=run_type,
            conf=conf,
            logical_date=moment(logical_date),
            data_interval_start=moment(interval_start),
        )
        try:
            found = module.day_of(run, module.business_timezone(zone))
        except module.AirflowFailException:
            found = None
        if found != expected:
            wrong.append([row, found])
    return wrong


def describe(module) -> dict:
    """What the checks ask about."""
    dag = module.dag
    tasks = [dag.get_task(task_id) for task_id in dag.task_ids]
    return {
        "edges": sorted([task.task_id, *sorted(task.downstream_task_ids)] for task in tasks),
        "operators": sorted({type(task).__name__ for task in tasks}),
        "retries": sorted({(task.retries, task.retry_delay.total_seconds()) for task in tasks}),
        "skip_codes": {task.task_id: str(task.skip_on_exit_code or None) for task in tasks},
        "templates_in_commands": [task.bash_command for task in tasks if "{{" in task.bash_command],
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "timetable": type(dag.timetable).__name__,
        "days": len(DAYS),
        "wrong_days": wrong_days(module),
        "hours": [answer_of(module.batch_hour, text) for text in HOURS],
        "expires": [module.something_expires(environment) for environment in EXPIRING],
        "commands": {task.task_id: task.bash_command for task in tasks},
        "late_flags": [answer_of(module.late_flag, text) for text in LATE_FLAGS],
    }


# (zone, run type, conf, data interval end, day of the question; None: the run fails)
QUESTIONS = (
    ("UTC", "scheduled", {}, "2025-11-10T05:00", "2025-11-10"),
    ("UTC", "backfill", None, "2025-11-10T05:00", "2025-11-10"),
    ("Asia/Almaty", "scheduled", {"as_of": None}, "2025-11-10T05:00", "2025-11-10"),
    # There it is still the evening before.
    ("Pacific/Honolulu", "scheduled", {}, "2025-11-10T05:00", "2025-11-09"),
    ("UTC", "manual", {"as_of": "2025-11-08"}, "2026-01-05T05:00", "2025-11-08"),
    ("UTC", "manual", {"as_of": ""}, "2025-11-10T05:00", None),
    ("UTC", "manual", {}, "2025-11-10T05:00", None),
    ("UTC", "manual", {"as_of": "2025-02-30"}, "2025-11-10T05:00", None),
    ("UTC", "scheduled", {"as_of": "$(id)"}, "2025-11-10T05:00", None),
    ("UTC", "scheduled", {"as_of": 20251110}, "2025-11-10T05:00", None),
)


def wrong_questions(module) -> list:
    """Cases of QUESTIONS that churn_forecast answers otherwise, with its answer."""
    wrong = []
    for row in QUESTIONS:
        zone, run_type, conf, interval_end, expected = row
        run = types.SimpleNamespace(run_type=run_type, conf=conf, data_interval_end=moment(interval_end))
        try:
            found = module.as_of(run, module.business_timezone(zone))
        except module.AirflowFailException:
            found = None
        if found != expected:
            wrong.append([row, found])
    return wrong


def describe_churn(module) -> dict:
    """What the checks ask about the DAG of the forecast."""
    tasks = [module.dag.get_task(task_id) for task_id in module.dag.task_ids]
    return {
        "edges": sorted([task.task_id, *sorted(task.downstream_task_ids)] for task in tasks),
        "commands": {task.task_id: task.bash_command for task in tasks},
        "rules": {task.task_id: str(getattr(task.trigger_rule, "value", task.trigger_rule)) for task in tasks},
        "questions": len(QUESTIONS),
        "wrong_questions": wrong_questions(module),
    }


def answer_of(read, text: str):
    """What a setting is read as; None: it is refused."""
    try:
        return read(text)
    except ValueError:
        return None


if __name__ == "__main__":
    sys.path.insert(0, os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    import churn_forecast
    import daily_metrics_batch

    answer = json.dumps({**describe(daily_metrics_batch), "churn": describe_churn(churn_forecast)})
    sys.stdout.write(f"\n{answer}\n")
