"""The checks about the DAG on one version of Airflow: a PASS or FAIL line for each.

In: the version, run by its own Python inside `sandbox run`; BINARIES names the folder of the programs.
Out: lines on standard output. `batcher` is the real one; a shim before it writes down its arguments.

Scheduled runs are made by the real scheduler: with catchup off, the run that was due at the last 02:00.
The 5 minutes before a retry are made to have passed in Airflow's database.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import traceback

import psycopg2
from installation import CHURN_DAG_ID, DAG_ID, DBT_USER, MODELS_DAG_ID, REPOSITORY, Airflow, wait_for
from pipeline import EVENTS_OF_A_DAY, Pipeline, midnight

ONE_DAY = datetime.timedelta(days=1)
ONE_MINUTE = datetime.timedelta(minutes=1)
# Manual runs: a day with data, one without, both long past.
DAY = datetime.date(2025, 11, 9)
EMPTY_DAY = datetime.date(2025, 11, 8)

IN_ORDER = ("check_data", "run_batch", "validate_results", "notify")


class Checks:
    """Runs checks one after the other; one that fails does not stop the rest."""

    def __init__(self, version: str, airflow: Airflow, pipeline: Pipeline):
        self.version = version
        self.airflow = airflow
        self.pipeline = pipeline

    @contextlib.contextmanager
    def check(self, text: str):
        """The block proves `text`, or raises."""
        try:
            yield
        except Exception:
            say(f"FAIL {self.version}: {text}\n{traceback.format_exc()}")
            # An unfinished run would make the next one wait: one at a time.
            self.airflow.query(
                "UPDATE dag_run SET state = 'failed' WHERE state IN ('running', 'queued')"
            )
        else:
            say(f"PASS {self.version}: {text}")


def say(line: str) -> None:
    """Prints a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def equal(found: object, expected: object, what: object = "") -> None:
    """Fails with both values unless they are equal."""
    assert found == expected, f"{what}\nfound    {found!r}\nexpected {expected!r}"


def ends(airflow: Airflow, run: str, state: str) -> None:
    """Waits for the end of a run, which must be that state."""
    found = airflow.finish(run)
    equal(found, state, "" if found == state else airflow.explain(run))


def full_run(day: object) -> list[str]:
    """What batcher is called with when all goes well; the last two at the same time."""
    return [f"check {day}", f"{day}", "--stale", f"validate {day}"]


def called(airflow: Airflow, run: str) -> list[str]:
    """What batcher was called with, the calls of two tasks that run side by side in one order."""
    calls = airflow.calls(run)
    return calls[:-2] + sorted(calls[-2:])


# ---- What it is ----


def structure(checks: Checks) -> None:
    """The file is read without errors, and the DAG is as it must be."""
    airflow = checks.airflow
    with checks.check("the DAGs are imported without errors"):
        airflow.command("dags", "reserialize")
        equal(airflow.query("SELECT filename, stacktrace FROM import_error"), [])
        equal(
            airflow.query("SELECT dag_id FROM serialized_dag ORDER BY dag_id"),
            [(CHURN_DAG_ID,), (DAG_ID,), (MODELS_DAG_ID,)],
        )

    script = REPOSITORY / "tests" / "airflow" / "structure.py"
    found = json.loads(airflow.python(str(script)).stdout.splitlines()[-1])
    with checks.check(
        "check_data → run_batch → validate_results → notify, and run_batch → correct_stale_days; all BashOperators"
    ):
        edges = [
            ["check_data", "run_batch"],
            ["run_batch", "correct_stale_days", "validate_results"],
            ["validate_results", "notify"],
            ["notify"],
            ["correct_stale_days"],
        ]
        equal(found["edges"], sorted(edges))
        equal(found["operators"], ["BashOperator"])
    with checks.check("each task has 2 retries, 5 minutes apart, and none but check_data can be skipped, by 99"):
        equal(found["retries"], [[2, 300.0]])
        skipping = {task: codes for task, codes in found["skip_codes"].items() if codes != "None"}
        equal(list(skipping), ["check_data"])
        assert skipping["check_data"] in ("99", "[99]"), skipping
    with checks.check("no command is a template: what varies is passed by the environment"):
        equal(found["templates_in_commands"], [])
    with checks.check("CronDataIntervalTimetable, 0 2 * * * in UTC, for the scheduler as well"):
        equal(found["timetable"], "CronDataIntervalTimetable")
        ((stored,),) = airflow.query(
            "SELECT data -> 'dag' -> 'timetable' FROM serialized_dag WHERE dag_id = %s", DAG_ID
        )
        equal(stored["__type"], "airflow.timetables.interval.CronDataIntervalTimetable")
        equal(stored["__var"], {"expression": "0 2 * * *", "timezone": "UTC"})
    with checks.check("BATCH_HOUR is an hour, INCLUDE_LATE true or false, and nothing else reaches a command"):
        equal(found["hours"], [2, 0, 23, None, None, None, None])
        equal(found["late_flags"], ["", "", "--include-late ", None, None])
    with checks.check("expire exists where something is to expire, last of all, with an address of its own"):
        equal(found["expires"], [False, False, True, True])
        airflow.environment["RETAIN_MINUTES"] = "400d"
        expiring = json.loads(airflow.python(str(script)).stdout.splitlines()[-1])
        del airflow.environment["RETAIN_MINUTES"]
        added = [edge for edge in expiring["edges"] if edge not in found["edges"]]
        equal(added, [["correct_stale_days", "expire"], ["expire"]])
        command = 'DATABASE_URL="${LIFECYCLE_DATABASE_URL:-$DATABASE_URL}" exec "${BATCHER:-batcher}" lifecycle'
        equal(expiring["commands"]["expire"], command)
    churn = found["churn"]
    with checks.check("write_days → train_model → score_subscribers → report; scored also when no model was trained"):
        edges = [
            ["write_days", "train_model"],
            ["train_model", "report", "score_subscribers"],
            ["score_subscribers", "report"],
            ["report"],
        ]
        equal(churn["edges"], sorted(edges))
        rules = {"write_days": "all_success", "train_model": "all_success", "report": "all_success"}
        equal(churn["rules"], {**rules, "score_subscribers": "all_done"})
    with checks.check("three days are written each night; trained and scored on Mondays, or when a day is named"):
        nights = {
            "2025-11-09": ["06 07 08", "99", "99"],
            "2025-11-10": ["07 08 09", "train 2025-11-10", "score 2025-11-10"],
        }
        for night, expected in nights.items():
            equal(what_churn_runs(churn["commands"], night, ""), expected)
        equal(what_churn_runs(churn["commands"], "2025-11-09", "yes")[1:], ["train 2025-11-09", "score 2025-11-09"])
    with checks.check(f"day of a question: {churn['questions']} cases of zone, run type, parameter and dates"):
        equal(churn["wrong_questions"], [])
    with checks.check("catchup is off, and one run is active at a time"):
        equal((found["catchup"], found["max_active_runs"]), (False, 1))
    with checks.check(
        f"day of a run: {found['days']} cases of zone, run type, parameter and dates"
    ):
        equal(found["wrong_days"], [])
    with checks.check("a BUSINESS_TIMEZONE that does not exist is an import error that names it"):
        airflow.environment["BUSINESS_TIMEZONE"] = "Asia/Nowhere"
        failed = airflow.python(str(script), may_fail=True)
        del airflow.environment["BUSINESS_TIMEZONE"]
        assert failed.returncode != 0 and "Asia/Nowhere" in failed.stderr, failed.stderr[-500:]


def what_churn_runs(commands: dict, as_of: str, named: str) -> list[str]:
    """What write_days, train_model and score_subscribers call on a day: stand-ins say it. `99`: the task is skipped."""
    with tempfile.TemporaryDirectory() as folder:
        for program, said in (("archiver", '"${2##*-}"'), ("churn", '"$1 ${3:+$AS_OF}"')):
            stand_in = pathlib.Path(folder, program)
            stand_in.write_text(f"#!/bin/sh\necho {said}\n")
            stand_in.chmod(0o755)
        environment = {"PATH": f"{folder}:{os.environ['PATH']}", "AS_OF": as_of, "NAMED": named}
        said = []
        for task in ("write_days", "train_model", "score_subscribers"):
            ran = subprocess.run(["bash", "-c", commands[task]], env=environment, capture_output=True, text=True, check=False)
            said.append(" ".join(ran.stdout.split()) if ran.returncode == 0 else str(ran.returncode))
        return said


# ---- Scheduled runs ----


def two_days_that_may_be_due() -> tuple[datetime.date, datetime.date]:
    """The day before the last 02:00, and the next one, in case 02:00 passes while this runs."""
    last_two_oclock = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=2)
    return last_two_oclock.date() - ONE_DAY, last_two_oclock.date()


def scheduled_runs(checks: Checks) -> None:
    """The run that was due at the last 02:00, on three states of the pipeline's database."""
    airflow, pipeline = checks.airflow, checks.pipeline
    day, next_day = two_days_that_may_be_due()

    with checks.check(
        "scheduled, no event was ever counted: the run ends as skipped and says so, batcher computes nothing"
    ):
        pipeline.read_until(midnight(next_day + 2 * ONE_DAY))
        run, start, end = airflow.scheduled_run()
        computed = end.astimezone(datetime.timezone.utc).date() - ONE_DAY
        ends(airflow, run, "success")
        equal(airflow.calls(run), [f"check {computed}", "--stale"])
        states = airflow.tasks(run)
        equal([states[task][0] for task in IN_ORDER], ["skipped"] * 4)
        assert "no event was ever counted" in airflow.log(run, "check_data")

    pipeline.add_windows(day)
    pipeline.add_windows(next_day)
    complete = midnight(next_day + 2 * ONE_DAY)

    with checks.check(
        "scheduled at 02:00 of day D+1, with data: batcher computes day D, the run succeeds"
    ):
        pipeline.read_until(complete)
        run, start, end = airflow.scheduled_run()
        now = datetime.datetime.now(datetime.timezone.utc)
        assert end <= now < end + ONE_DAY and (end.hour, end.minute) == (2, 0), f"due at {end}"
        equal(end - start, ONE_DAY)
        ends(airflow, run, "success")
        computed = end.astimezone(datetime.timezone.utc).date() - ONE_DAY
        equal(called(airflow, run), full_run(computed))
        equal(pipeline.events(computed), EVENTS_OF_A_DAY)
        runs = airflow.query("SELECT 1 FROM dag_run WHERE dag_id = %s", DAG_ID)
        equal(len(runs), 1, "no day before it was caught up")
        log = airflow.log(run, "notify")
        assert (
            f"{computed} is computed and valid. {computed}: " in log and "windows, final" in log
        ), log

    with checks.check(
        "scheduled, an incomplete day: check's 75 is tried again in 5 minutes; nothing is skipped or computed"
    ):
        pipeline.read_until(midnight(day + ONE_DAY) - ONE_MINUTE)
        run, start, end = airflow.scheduled_run()
        computed = end.astimezone(datetime.timezone.utc).date() - ONE_DAY
        airflow.wait_for_retry(run, "check_data")
        equal(airflow.calls(run), [f"check {computed}"])
        equal({airflow.tasks(run)[task][0] for task in IN_ORDER[1:]}, {None})
        log = airflow.log(run, "check_data")
        assert (
            "exit code 75" in log
            and "can still bring events" in log
            and "failed for good" not in log
        ), log
    with checks.check(
        "scheduled, the day is complete by the second try: the run goes on and succeeds"
    ):
        pipeline.read_until(complete)
        ends(airflow, run, "success")
        equal(called(airflow, run), [f"check {computed}", *full_run(computed)])

    with checks.check(
        "scheduled, no data: batcher's 4 fails the run after three tries, says so, and leaves daily_stats as it was"
    ):
        before = pipeline.daily_stats(day)
        pipeline.empty_the_minutes()
        run, start, end = airflow.scheduled_run()
        computed = end.astimezone(datetime.timezone.utc).date() - ONE_DAY
        check_no_data(checks, run, computed)
        equal(pipeline.daily_stats(day), before)


def check_no_data(checks: Checks, run: str, day: datetime.date) -> None:
    """The run finds no data three times, then fails; what comes after is not run."""
    airflow = checks.airflow
    ends(airflow, run, "failed")
    # Days that have changed are corrected all the same.
    equal(airflow.calls(run), [f"check {day}", f"{day}", f"{day}", f"{day}", "--stale"])
    states = airflow.tasks(run)
    equal(
        [states[task][0] for task in IN_ORDER],
        ["success", "failed", "upstream_failed", "upstream_failed"],
    )
    log = airflow.log(run, "run_batch")
    assert "exit code 4" in log and "has no window of that day" in log, log
    equal(log.count("run_batch failed for good"), 1, log)


# ---- Runs that somebody asks for ----


def manual_runs(checks: Checks) -> None:
    """Runs that are given a date, on the same three states."""
    airflow, pipeline = checks.airflow, checks.pipeline
    pipeline.add_windows(DAY)
    pipeline.read_until(midnight(DAY + ONE_DAY) - ONE_MINUTE)

    with checks.check(
        "manual with a date, an incomplete day: check's 75 is tried again, then the run succeeds"
    ):
        airflow.trigger("incomplete", {"date": f"{DAY}"})
        airflow.wait_for_retry("incomplete", "check_data")
        equal(airflow.calls("incomplete"), [f"check {DAY}"])
        pipeline.read_until(midnight(DAY + ONE_DAY))
        ends(airflow, "incomplete", "success")
        equal(called(airflow, "incomplete"), [f"check {DAY}", *full_run(DAY)])

    with checks.check(
        "manual with a date, with data: batcher computes that date, and again if asked again"
    ):
        for run in ("with-data", "again"):
            airflow.trigger(run, {"date": f"{DAY}"})
            ends(airflow, run, "success")
            equal(called(airflow, run), full_run(DAY))
            equal(pipeline.events(DAY), EVENTS_OF_A_DAY)

    with checks.check(
        "manual with a date, no data: fails after three tries, daily_stats as it was"
    ):
        airflow.trigger("no-data", {"date": f"{EMPTY_DAY}"})
        check_no_data(checks, "no-data", EMPTY_DAY)
        equal((pipeline.daily_stats(EMPTY_DAY), pipeline.events(DAY)), ([], EVENTS_OF_A_DAY))

    with checks.check("manual with a logical date: batcher computes the day of that date"):
        airflow.trigger("logical", logical_date=f"{DAY}")
        ends(airflow, "logical", "success")
        equal(called(airflow, "logical"), full_run(DAY))

    with checks.check("a backfill of a past day computes that day"):
        equal(called(airflow, backfill(checks, DAY)), full_run(DAY))

    bad_dates(checks)
    without_a_date(checks)


def backfill(checks: Checks, day: datetime.date) -> str:
    """Has Airflow make up for the run of one day; the run's id."""
    airflow = checks.airflow
    first, last = f"{day}T00:00:00+00:00", f"{day}T23:00:00+00:00"
    if airflow.is_three:
        airflow.command(
            "backfill", "create", "--dag-id", DAG_ID, "--from-date", first, "--to-date", last
        )
    else:
        airflow.command(
            "dags", "backfill", "--yes", "--start-date", first, "--end-date", last, DAG_ID
        )
    ((run,),) = airflow.query("SELECT run_id FROM dag_run WHERE run_type = 'backfill'")
    ends(airflow, run, "success")
    return run


def bad_dates(checks: Checks) -> None:
    """Neither Airflow's check of the parameter nor the DAG's lets anything but a date through."""
    airflow = checks.airflow
    touched = airflow.home / "touched"
    for number, date in enumerate(
        (
            f"2025-11-09; touch {touched}",
            f"$(touch {touched})",
            "{{ 7 * 7 }}",
            "2025-W45-7",
            20251109,
        )
    ):
        run = f"bad-date-{number}"
        with checks.check(
            f"manual with the date {str(date).replace(str(touched), 'X')!r}: refused, never run, batcher never called"
        ):
            triggered = airflow.trigger(run, {"date": date}, may_fail=True)
            if triggered.returncode != 0:
                assert "ParamValidationError" in triggered.stderr, triggered.stderr
            else:
                ends(airflow, run, "failed")
                assert "is not a day like 2025-11-09" in airflow.log(run, "check_data"), (
                    airflow.tasks(run)
                )
                assert "failed for good" in airflow.log(run, "check_data"), airflow.log(
                    run, "check_data"
                )
                logs = (airflow.home / "logs").glob(f"**/run_id={run}/task_id=check_data/attempt=*.log")
                equal(len(list(logs)), 1, "one try")
            equal(airflow.calls(run), [])
            assert not touched.exists(), "the date was read as shell"


def without_a_date(checks: Checks) -> None:
    """A manual run that is given no date: 2.7 takes the moment for its logical date, 3.x has none."""
    airflow = checks.airflow
    if airflow.is_three:
        with checks.check(
            "manual with neither date: fails at its first try and says how to name a day"
        ):
            airflow.trigger("no-date")
            ends(airflow, "no-date", "failed")
            equal(airflow.calls("no-date"), [])
            assert 'trigger the run with {"date": "2025-11-09"}' in airflow.log(
                "no-date", "check_data"
            ).replace("\\", "")
        return
    with checks.check(
        "manual with neither date: the day of the moment, which check says can still change"
    ):
        airflow.trigger("no-date")
        airflow.wait_for_retry("no-date", "check_data")
        ((moment,),) = airflow.query("SELECT execution_date FROM dag_run WHERE run_id = 'no-date'")
        equal(
            airflow.calls("no-date"), [f"check {moment.astimezone(datetime.timezone.utc).date()}"]
        )
        # Left to itself it would try for ten minutes more, and the next run would wait for it: one at a time.
        ends(airflow, "no-date", "failed")


# ---- What follows ----


def models_follow(checks: Checks) -> None:
    """The models are built when a run of the daily DAG has ended, with the real dbt."""
    airflow, pipeline = checks.airflow, checks.pipeline
    pipeline.give_roles((REPOSITORY / "deploy" / "roles.sql").read_text(), DBT_USER)
    pipeline.read_until(midnight(DAY + 2 * ONE_DAY))

    with checks.check("the DAG of the models is paused until somebody unpauses it: so far it never ran"):
        equal(airflow.query("SELECT is_paused FROM dag WHERE dag_id = %s", MODELS_DAG_ID), [(True,)])
        equal(model_runs(airflow), [])
    airflow.command("dags", "unpause", MODELS_DAG_ID)

    with checks.check("a run of the daily DAG that ends well starts it: dbt builds the models of that day"):
        airflow.trigger("followed", {"date": f"{DAY}"})
        ends(airflow, "followed", "success")
        run = finished_model_run(airflow, lambda: pipeline.modelled_events(DAY) == pipeline.events(DAY))
        states = {task: state for task, (state, _) in airflow.tasks(run).items()}
        equal(states, {"build_models": "success", "check_freshness": "success"})
        log = airflow.log(run, "build_models", MODELS_DAG_ID)
        assert "Completed successfully" in log, log[-3000:]

    with checks.check("one that fails starts it too, and the warehouse says which day failed"):
        airflow.trigger("followed-failure", {"date": f"{EMPTY_DAY}"})
        ends(airflow, "followed-failure", "failed")
        finished_model_run(airflow, lambda: EMPTY_DAY in pipeline.failed_days())


def model_runs(airflow: Airflow) -> list[tuple[str, str]]:
    """Runs of the models' DAG and their states, the newest first."""
    return airflow.query(
        "SELECT run_id, state FROM dag_run WHERE dag_id = %s ORDER BY id DESC", MODELS_DAG_ID
    )


def finished_model_run(airflow: Airflow, done) -> str:
    """Waits until a run has done what is asked and none is left that has not ended; the newest."""

    def settled():
        runs = model_runs(airflow)
        ended = all(state in ("success", "failed") for _, state in runs)
        return runs[0] if runs and ended and done() else None

    def explain():
        return "\n".join(
            [str(model_runs(airflow))]
            + [airflow.log(run, "build_models", MODELS_DAG_ID)[-3000:] for run, _ in model_runs(airflow)[:1]]
        )

    run, state = wait_for("the models to be built", settled, airflow.assert_alive, explain)
    equal(state, "success", explain())
    return run


# ---- Wiring ----


def create_database(server_url: str, name: str) -> str:
    """An empty database of the sandbox's server; its address."""
    connection = psycopg2.connect(server_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}"')
    connection.close()
    return f"{server_url.rsplit('/', 1)[0]}/{name}"


def main(version: str) -> None:
    """Sets up, runs all checks, ends all processes."""
    server_url = os.environ["SANDBOX_POSTGRES"]
    binaries = pathlib.Path(os.environ["BINARIES"]).resolve()
    pipeline = Pipeline(
        create_database(server_url, f"pipeline_{version}"), str(binaries / "streamer")
    )
    with tempfile.TemporaryDirectory(prefix="airflow-") as home, contextlib.closing(pipeline):
        airflow = Airflow(
            pathlib.Path(home),
            create_database(server_url, f"airflow_{version}"),
            pipeline.url,
            binaries,
        )
        checks = Checks(version, airflow, pipeline)
        with contextlib.closing(airflow):
            structure(checks)
            airflow.start()
            scheduled_runs(checks)
            manual_runs(checks)
            models_follow(checks)


if __name__ == "__main__":
    # Ends as by Ctrl-C: what has been started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    main(sys.argv[1])
