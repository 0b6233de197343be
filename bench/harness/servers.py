"""The two servers that every measurement uses: fresh databases, fresh topics, and events in them."""

import itertools
import os
import subprocess
from urllib.parse import urlsplit, urlunsplit

import psycopg
from confluent_kafka.admin import AdminClient, NewTopic

from .places import program, required

_numbers = itertools.count(1)


def kafka() -> str:
    """HOST:PORT of the broker."""
    return required("KAFKA_BOOTSTRAP_SERVERS")


def connect(url: str) -> psycopg.Connection:
    """A session in which each statement is a transaction."""
    return psycopg.connect(url, autocommit=True)


class Database:
    """A database of one measurement. `with` drops it."""

    def __init__(self) -> None:
        self.name = f"bench_{os.getpid()}_{next(_numbers)}"
        self._server = required("DATABASE_URL")
        self.parts = urlsplit(self._server)._replace(path=f"/{self.name}")
        self.url = urlunsplit(self.parts)
        with connect(self._server) as session:
            session.execute(f"CREATE DATABASE {self.name} ENCODING 'UTF8' TEMPLATE template0")

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_exception: object) -> None:
        with connect(self._server) as session:
            session.execute(f"DROP DATABASE {self.name} WITH (FORCE)")

    def migrate(self) -> None:
        """Our tables, as `streamer migrate` makes them."""
        run([program("streamer"), "migrate"], {"DATABASE_URL": self.url})


class Topic:
    """A topic of one measurement. `with` deletes it."""

    def __init__(self, partitions: int) -> None:
        self.name = f"bench_{os.getpid()}_{next(_numbers)}"
        self._admin = AdminClient({"bootstrap.servers": kafka()})
        # No limit to what is kept: events may be years old.
        new = NewTopic(
            self.name, partitions, 1, config={"retention.ms": "-1", "message.timestamp.type": "LogAppendTime"}
        )
        self._admin.create_topics([new])[self.name].result(30)

    def __enter__(self) -> "Topic":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._admin.delete_topics([self.name])[self.name].result(30)

    def environment(self, database: Database | None = None) -> dict[str, str]:
        """What our programs need to work on this topic, each with settings of its own making and no others."""
        variables = {"KAFKA_BOOTSTRAP_SERVERS": kafka(), "KAFKA_TOPIC": self.name, "RUST_LOG": "warn"}
        if database:
            variables["DATABASE_URL"] = database.url
        return variables


# 10:00 in Almaty, whose factor is 1 for two hours: the base rate is the rate.
FIRST_EVENT_TIME = "2025-11-09T05:00:00Z"
EVENT_TIME_MINUTES = 20
SEED = 1


def generated(events: int, scenario: str = "default") -> list[str]:
    """The producer's command line for so many events in `EVENT_TIME_MINUTES` of event time, in order of it.

    `scenario`: a name or a file whose factor is 1 at that hour.
    """
    rate = events / (EVENT_TIME_MINUTES * 60)
    return [
        program("producer"), "--scenario", scenario, "--seed", str(SEED), "--from", FIRST_EVENT_TIME,
        "--to", "2025-11-09T07:00:00Z", "--base-rate", f"{rate:.3f}", "--count", str(events),
    ]


def load(topic: Topic, events: int, scenario: str = "default") -> list[str]:
    """Sends the events and returns the command that did."""
    command = generated(events, scenario)
    run(command, topic.environment())
    return command


def run(command: list[str], environment: dict[str, str] | None = None) -> str:
    """Runs a command that is not measured; its standard output. `RuntimeError` with what it said if it fails."""
    ended = subprocess.run(
        command, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if ended.returncode != 0:
        raise RuntimeError(f"{command} ended with {ended.returncode}:\n{ended.stderr[-3000:]}")
    return ended.stdout
