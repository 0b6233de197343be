"""One Airflow: its settings, its command line, its processes, and what its database says.

In: a version's virtual environment, a folder and two database addresses. Out: runs of the DAG, as the
real scheduler runs them. Everything listens on loopback, and all processes end with `stop`.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import psutil
import psycopg2

DAG_ID = "daily_metrics_batch"
MODELS_DAG_ID = "warehouse_models"
CHURN_DAG_ID = "churn_forecast"
# In the database; its password is its name.
DBT_USER = "dbt_of_airflow"
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
# Bounds of waits that end in seconds on a machine that is not busy.
LONGEST_WAIT_SECONDS = 300
LONGEST_STOP_SECONDS = 30
POLL_SECONDS = 0.3
# States of a task whose log says why.
NOT_WELL = ("failed", "up_for_retry", "running")


class Airflow:
    """An installation with an empty database of its own."""

    def __init__(
        self, home: pathlib.Path, database_url: str, pipeline_url: str, binaries: pathlib.Path
    ):
        self.home = home
        self.calls_path = home / "batcher-calls"
        self.calls_path.touch()
        self.port = free_port()
        self.processes: list[subprocess.Popen] = []
        self.is_three = importlib.metadata.version("apache-airflow").startswith("3.")
        self.environment = self._environment(database_url, pipeline_url, binaries)
        self.command("db", "migrate")
        self.connection = psycopg2.connect(database_url)
        self.connection.autocommit = True

    def _environment(
        self, database_url: str, pipeline_url: str, binaries: pathlib.Path
    ) -> dict[str, str]:
        shim = REPOSITORY / "tests" / "airflow"
        settings = {
            "CORE__DAGS_FOLDER": REPOSITORY / "dags",
            "CORE__LOAD_EXAMPLES": False,
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": 2,
            # Nothing runs before a check asks for it.
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": True,
            "DATABASE__SQL_ALCHEMY_CONN": database_url.replace(
                "postgres://", "postgresql+psycopg2://"
            ),
            "SCHEDULER__PARSING_PROCESSES": 1,
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.5,
            "USAGE_DATA_COLLECTION__ENABLED": False,
            # Airflow 3: tasks talk to its API server.
            "API__HOST": "127.0.0.1",
            "API__PORT": self.port,
            "API__WORKERS": 1,
            "API__SECRET_KEY": secrets.token_hex(16),
            "API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{self.port}/execution/",
        }
        return {
            "HOME": str(self.home),
            "AIRFLOW_HOME": str(self.home),
            "PATH": f"{shim}:{pathlib.Path(sys.prefix) / 'bin'}:{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "NO_PROXY": "127.0.0.1,localhost",
            "DATABASE_URL": pipeline_url,
            "REAL_BATCHER": str(binaries / "batcher"),
            "BATCHER_CALLS": str(self.calls_path),
            **dbt_environment(pipeline_url, self.home),
            **{f"AIRFLOW__{name}": str(value) for name, value in settings.items()},
        }

    def command(self, *arguments: str, may_fail: bool = False) -> subprocess.CompletedProcess:
        """Runs `airflow ARGUMENTS`."""
        return self.python("-m", "airflow", *arguments, may_fail=may_fail)

    def python(self, *arguments: str, may_fail: bool = False) -> subprocess.CompletedProcess:
        """Runs Python where Airflow is installed."""
        done = subprocess.run(
            [sys.executable, *arguments],
            env=self.environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST_WAIT_SECONDS,
        )
        if done.returncode != 0 and not may_fail:
            raise AssertionError(
                f"{arguments} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
            )
        return done

    # ---- Processes ----

    def start(self) -> None:
        """Starts the scheduler and what it needs."""
        if self.is_three:
            self._spawn("api-server")
            wait_for("the API server", self._api_server_answers, self.assert_alive)
        self._spawn("scheduler", "--skip-serve-logs")

    def _spawn(self, *arguments: str) -> None:
        with open(self.home / f"{arguments[0]}.log", "wb") as output:
            self.processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "airflow", *arguments],
                    env=self.environment,
                    cwd=self.home,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            )

    def _api_server_answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v2/version", timeout=5):
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def assert_alive(self) -> None:
        """Fails, with the end of its log, if a process has ended by itself."""
        for process in self.processes:
            if process.poll() is not None:
                name = process.args[3]
                log = (self.home / f"{name}.log").read_text(errors="replace")
                raise AssertionError(f"the {name} ended:\n{log[-3000:]}")

    def stop(self) -> None:
        """Ends all processes that `start` began, and theirs."""
        family = [
            psutil.Process(process.pid) for process in self.processes if process.poll() is None
        ]
        for parent in list(family):
            family += parent.children(recursive=True)
        for process in reversed(self.processes):
            process.terminate()
        _, alive = psutil.wait_procs(family, timeout=LONGEST_STOP_SECONDS)
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=LONGEST_STOP_SECONDS)
        for process in self.processes:
            process.wait()
        self.processes = []

    def close(self) -> None:
        """Ends everything."""
        self.stop()
        self.connection.close()

    # ---- What happened ----

    def query(self, statement: str, *values: object) -> list[tuple]:
        """Rows of Airflow's own database."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def calls(self, run_id: str) -> list[str]:
        """With what arguments a run has called batcher, in order."""
        lines = (line.split("\t", 1) for line in self.calls_path.read_text().splitlines())
        return [arguments for caller, arguments in lines if caller == run_id]

    def tasks(self, run_id: str) -> dict[str, tuple[str | None, int]]:
        """State of each task of a run, and which try it is."""
        rows = self.query(
            "SELECT task_id, state, try_number FROM task_instance WHERE run_id = %s", run_id
        )
        return {task: (state, tries) for task, state, tries in rows}

    def state(self, run_id: str) -> str | None:
        """The state of a run; None if there is none."""
        rows = self.query("SELECT state FROM dag_run WHERE run_id = %s", run_id)
        return rows[0][0] if rows else None

    def log(self, run_id: str, task_id: str, dag_id: str = DAG_ID) -> str:
        """The logs of all tries of a task."""
        folder = self.home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        return "\n".join(
            path.read_text(errors="replace") for path in sorted(folder.glob("attempt=*.log"))
        )

    # ---- Runs ----

    def scheduled_run(self) -> tuple[str, datetime.datetime, datetime.datetime]:
        """Forgets all runs, registers the DAG anew, waits for the run that is due; it and its interval."""
        self.command("dags", "delete", "--yes", DAG_ID)
        self.calls_path.write_text("")
        shutil.rmtree(self.home / "logs" / f"dag_id={DAG_ID}", ignore_errors=True)
        self.command("dags", "reserialize")
        self.command("dags", "unpause", DAG_ID)

        def due():
            return self.query(
                """SELECT run_id, data_interval_start, data_interval_end FROM dag_run
                   WHERE run_type = 'scheduled' AND dag_id = %s""",
                DAG_ID,
            )

        rows = wait_for("the scheduled run", due, self.assert_alive)
        assert len(rows) == 1, f"one run is due, not {rows}"
        return rows[0]

    def trigger(
        self,
        run_id: str,
        conf: dict | None = None,
        logical_date: str | None = None,
        may_fail: bool = False,
    ):
        """Starts a manual run, as a person does on the command line."""
        arguments = ["dags", "trigger", "--run-id", run_id, DAG_ID]
        if conf is not None:
            arguments += ["--conf", json.dumps(conf)]
        if logical_date is not None:
            arguments += ["--logical-date" if self.is_three else "--exec-date", logical_date]
        return self.command(*arguments, may_fail=may_fail)

    def wait_for_retry(self, run_id: str, task_id: str) -> None:
        """Waits until a task has failed and waits to be tried again."""
        wait_for(
            f"{task_id} of {run_id} to be up for retry",
            lambda: self.tasks(run_id).get(task_id, (None, 0))[0] == "up_for_retry",
            self.assert_alive,
            lambda: self.explain(run_id),
        )

    def finish(self, run_id: str) -> str:
        """Waits for the end of a run and returns its state. The 5 minutes before a retry are made
        to have passed: the failed try is dated back."""

        def ended():
            self.query(
                """UPDATE task_instance SET end_date = end_date - interval '5 minutes'
                   WHERE run_id = %s AND state = 'up_for_retry' AND end_date > now() - interval '5 minutes'""",
                run_id,
            )
            state = self.state(run_id)
            return state if state in ("success", "failed") else None

        return wait_for(
            f"the end of {run_id}", ended, self.assert_alive, lambda: self.explain(run_id)
        )

    def explain(self, run_id: str) -> str:
        """What a run has come to, for the message of a check that failed."""
        tasks = self.tasks(run_id)
        logs = [
            self.log(run_id, task)[-1500:]
            for task, (state, _) in tasks.items()
            if state in NOT_WELL
        ]
        return "\n".join([str(tasks), *self.calls(run_id), *logs])


def dbt_environment(pipeline_url: str, home: pathlib.Path) -> dict[str, str]:
    """What the DAG of the models needs: dbt in an environment of its own, and a user of its role."""
    address = urllib.parse.urlsplit(pipeline_url)
    return {
        "DBT": str(pathlib.Path(os.environ["DBT_ENVIRONMENT"]) / "bin" / "dbt"),
        "DBT_PROJECT_DIR": str(REPOSITORY / "dbt"),
        "DBT_TARGET_PATH": str(home / "dbt-target"),
        "DBT_LOG_PATH": str(home / "dbt-logs"),
        "DBT_HOST": address.hostname,
        "DBT_PORT": str(address.port),
        "DBT_DATABASE": address.path.removeprefix("/"),
        "DBT_USER": DBT_USER,
        "DBT_ENV_SECRET_PASSWORD": DBT_USER,
    }


def wait_for(what: str, condition, alive=lambda: None, explain=lambda: ""):
    """Asks `condition` until it says something true, and returns that."""
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while time.monotonic() < deadline:
        answer = condition()
        if answer:
            return answer
        alive()
        time.sleep(POLL_SECONDS)
    raise AssertionError(f"waited {LONGEST_WAIT_SECONDS} s for {what}: {explain()}")


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
