"""When the night's run has changed days: builds dbt's models on top of them, and asks if the data is fresh.

In: an end of daily_metrics_batch, good or bad, or a person who triggers a run; the worker's environment:
DBT_PROJECT_DIR (the folder dbt of the project), what its profiles.yml reads, DBT (the program's path, unless
it is on PATH). Out: the tables of the schema marts.

Two tasks of daily_metrics_batch say that daily figures may have changed: notify, at the end of a good
night, and correct_stale_days, which runs whatever became of the day. Either starts this DAG. So it may
run twice a night; a run without changes costs seconds. After a night that failed it runs as well: what
failed is then in mart_data_quality.

It is paused when Airflow meets it: where dbt is installed, `airflow dags unpause warehouse_models`.
docs/dbt.md of the project has the models, and what to do about a failure.
"""

from __future__ import annotations

import datetime

try:  # Airflow 3
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.sdk import DAG, Asset
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.datasets import Dataset as Asset
    from airflow.operators.bash import BashOperator

# The same name as in daily_metrics_batch.py.
DAILY_STATS = Asset("telecom_daily_stats")

# Far longer than a build of a year takes.
LONGEST_TASK = datetime.timedelta(hours=1)

DBT = 'exec "${DBT:-dbt}"'
FOLDERS = (
    '--project-dir "${DBT_PROJECT_DIR:?is not set; it names the folder dbt of the project}"'
    ' --profiles-dir "${DBT_PROFILES_DIR:-$DBT_PROJECT_DIR}"'
)

with DAG(
    dag_id="warehouse_models",
    description="dbt's models of the telecom warehouse, after the daily statistics",
    doc_md=__doc__,
    schedule=[DAILY_STATS],
    start_date=datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc),
    catchup=False,
    # Two builds at once would wait for each other's tables.
    max_active_runs=1,
    is_paused_upon_creation=True,
    default_args={
        "retries": 2,
        "retry_delay": datetime.timedelta(minutes=5),
        "execution_timeout": LONGEST_TASK,
    },
    tags=["telecom"],
) as dag:
    # Seed, snapshot, models and their tests; a test that fails fails the task.
    build_models = BashOperator(
        task_id="build_models", bash_command=f"{DBT} build {FOLDERS}", append_env=True
    )
    check_freshness = BashOperator(
        task_id="check_freshness", bash_command=f"{DBT} source freshness {FOLDERS}", append_env=True
    )

    build_models >> check_freshness
