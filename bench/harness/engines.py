"""The engines of the comparison: how each is run on a topic and a database, and what is expected of it."""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from .places import PEERS, REPOSITORY, cache, program
from .results import first_line
from .servers import Database, Topic, connect, kafka, run

# The contract's table, for engines that don't bring their own.
TABLE = """
CREATE TABLE real_time_metrics (
    window_start TIMESTAMP NOT NULL, window_end TIMESTAMP NOT NULL, event_type VARCHAR(50) NOT NULL,
    event_count BIGINT, total_duration BIGINT, total_data_mb DOUBLE PRECISION, total_amount DOUBLE PRECISION,
    region VARCHAR(100) NOT NULL, processed_at TIMESTAMP DEFAULT now(),
    PRIMARY KEY (window_start, event_type, region)
)
"""
# Adds to Flink's class path what its own start scripts add.
JAVA_OPENS = ["--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED"]
JAVA_HEAP = "-Xmx1g"


@dataclass(frozen=True)
class Run:
    """What is started: a command, and what is added to the environment."""

    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Engine:
    """One engine. `run` gets a topic, a database with the table and an empty folder."""

    name: str
    title: str
    run: Callable[[Topic, Database, Path], Run]
    version: Callable[[], str]
    # The program that must exist, for engines that are not there when bench/setup could not fetch them.
    needs: Callable[[], Path]
    prepare: Callable[[Database], None]
    # None: it ends by itself. Otherwise it runs for ever, and is done when all windows are stored that a watermark so
    # far behind the last event has passed.
    lateness: timedelta | None = None
    # kcat: nothing is stored.
    stores: bool = True


def create_table(database: Database) -> None:
    """The contract's table."""
    with connect(database.url) as session:
        session.execute(TABLE)


def run_streamer(topic: Topic, database: Database, _folder: Path) -> Run:
    """Its defaults."""
    return Run([program("streamer"), "--drain"], topic.environment(database))


def run_kcat(topic: Topic, _database: Database, _folder: Path) -> Run:
    """Consume and discard; the harness throws the output away."""
    return Run(["kcat", "-C", "-e", "-q", "-b", kafka(), "-t", topic.name])


def run_python(topic: Topic, database: Database, _folder: Path) -> Run:
    """The plain program."""
    return Run([str(python()), str(PEERS / "python_consumer.py")], topic.environment(database))


def run_flink(topic: Topic, database: Database, folder: Path) -> Run:
    """Flink's own SQL client, with the whole cluster in its process."""
    return run_flink_script("flink.sql", topic, database, folder)


def run_flink_script(name: str, topic: Topic, database: Database, folder: Path) -> Run:
    """The same with one of the scripts in bench/peers."""
    values = {
        "TOPIC": topic.name, "KAFKA": kafka(), "DATABASE": database.name,
        "DATABASE_HOST": f"{database.parts.hostname}:{database.parts.port}",
        "DATABASE_USER": database.parts.username, "DATABASE_PASSWORD": database.parts.password,
    }
    script = (PEERS / name).read_text(encoding="utf-8")
    for place, value in values.items():
        script = script.replace(f"@{place}@", value)
    (folder / "job.sql").write_text(script, encoding="utf-8")
    (folder / "config.yaml").write_text("parallelism.default: 2\n", encoding="utf-8")
    command = [
        "java", JAVA_HEAP, *JAVA_OPENS, "-cp", f"{cache()}/flink/*", "org.apache.flink.table.client.SqlClient",
        "--file", str(folder / "job.sql"), "--history", str(folder / "history"),
    ]
    return Run(command, {"FLINK_CONF_DIR": str(folder)})


def run_spark(topic: Topic, database: Database, folder: Path) -> Run:
    """In one process, local[2]."""
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka(), "KAFKA_TOPIC": topic.name,
        "JDBC_URL": f"jdbc:postgresql://{database.parts.hostname}:{database.parts.port}/{database.name}",
        "DATABASE_USER": database.parts.username, "DATABASE_PASSWORD": database.parts.password,
        "CHECKPOINT": str(folder / "checkpoint"), "SPARK_CLASS_PATH": f"{cache()}/spark-jars/*",
        "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_DIRS": str(folder),
    }
    return Run([f"{cache()}/spark/bin/python", str(PEERS / "spark_job.py")], environment)


def python() -> Path:
    """The interpreter of the Python peers, which also runs the harness."""
    return cache() / "python/bin/python"


def package_versions(interpreter: Path, *packages: str) -> str:
    """Python's and the packages' versions, as installed."""
    code = "import importlib.metadata as m, platform; print('Python ' + platform.python_version(), *[" \
        f"p + ' ' + m.version(p) for p in {packages!r}], sep=', ')"
    return first_line([str(interpreter), "-c", code])


def kcat_version() -> str:
    """Its own and librdkafka's, without the list of features."""
    said = run(["kcat", "-V"])
    return next(line for line in said.splitlines() if "ersion" in line).partition(" builtin")[0].strip() + ")"


def server_versions(database: Database) -> dict[str, str]:
    """The broker's, as the sandbox fetches it, and PostgreSQL's."""
    pom = (REPOSITORY / "crates/sandbox/maven/kafka.xml").read_text(encoding="utf-8")
    broker = pom.partition("<artifactId>kafka_2.13</artifactId>")[2].partition("<version>")[2].partition("</version>")[0]
    with connect(database.url) as session:
        return {"kafka": broker, "postgresql": session.execute("SHOW server_version").fetchone()[0]}


def jar_version(folder: str, prefix: str) -> str:
    """The version in the name of a fetched jar."""
    jar = next((cache() / folder).glob(f"{prefix}-[0-9]*.jar"))
    return jar.stem.removeprefix(prefix + "-")


def flink_version() -> str:
    """Flink's, its connectors' and Java's."""
    return (
        f"Flink {jar_version('flink', 'flink-runtime')}, Kafka connector {jar_version('flink', 'flink-connector-kafka')}, "
        f"JDBC connector {jar_version('flink', 'flink-connector-jdbc')}, " + first_line(["java", "-version"])
    )


ENGINES = [
    Engine(
        "kcat", "kcat: consume and discard", run_kcat, kcat_version,
        lambda: which("kcat"), lambda _database: None, stores=False,
    ),
    Engine(
        "streamer", "streamer", run_streamer, lambda: first_line([program("streamer"), "--version"]),
        lambda: Path(program("streamer")), Database.migrate,
    ),
    Engine(
        "python", "Plain Python (confluent-kafka, orjson)", run_python,
        lambda: package_versions(python(), "confluent-kafka", "orjson", "psycopg"), python, create_table,
    ),
    Engine(
        "flink", "Flink SQL, JDBC sink", run_flink,
        flink_version, lambda: cache() / "flink", create_table,
    ),
    Engine(
        "spark", "Spark Structured Streaming", run_spark,
        lambda: package_versions(cache() / "spark/bin/python", "pyspark") + ", Kafka connector "
        + jar_version("spark-jars", "spark-sql-kafka-0-10_2.12") + ", " + first_line(["java", "-version"]),
        lambda: cache() / "spark", create_table, lateness=timedelta(minutes=2),
    ),
]


def which(name: str) -> Path:
    """A program on PATH; a path that does not exist if there is none."""
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    return next((folder / name for folder in folders if (folder / name).is_file()), Path("/nonexistent") / name)


def work_folder() -> tempfile.TemporaryDirectory:
    """A folder for what a run leaves behind."""
    return tempfile.TemporaryDirectory(prefix="bench-")
