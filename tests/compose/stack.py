"""What the checks do to the system: Compose and Docker commands, events, questions to the database.

`sent` is what has been sent so far, `counted` what the streamer's positions say of it.
"""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import time

HEALTHY_WITHIN_SECONDS = 180
PAUSE_SECONDS = 0.5


class Stack:
    """The system of one checkout."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.files = ["docker-compose.yml"]
        self.sent = 0
        # Beside the checkout: in it, `producer` is a crate.
        self.producer = folder.resolve().parent / "producer-of-the-image"
        self.compose_command = os.environ["COMPOSE"].split()

    def run(self, *command, check=True, capture=True):
        """Runs a command in the checkout; its output goes to standard error unless it is wanted."""
        run = subprocess.run(
            command, cwd=self.folder, stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE if capture else 2, stderr=subprocess.PIPE if capture else 2,
        )
        if check and run.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: exit {run.returncode}\n{run.stdout}\n{run.stderr}")
        return run

    def compose(self, *arguments, check=True, capture=True):
        files = [part for name in self.files for part in ("--file", name)]
        return self.run(*self.compose_command, *files, *arguments, check=check, capture=capture)

    def typed(self, line, seconds=None):
        """A line as a user types it, with this Compose under the name that users type; there is no terminal here.
        After `seconds` it is interrupted, as by Ctrl-C."""
        line = line.replace("exec -it", "exec -i")
        compose = " ".join(self.compose_command)
        if seconds:
            line = line.replace("docker-compose", f"timeout --signal INT {seconds} {compose}", 1)
        return self.run("bash", "-c", f'docker-compose() {{ {compose} "$@"; }}; {line}', check=False)

    def docker(self, *arguments):
        run = self.run("docker", *arguments)
        return run.stdout + (run.stderr if arguments[0] == "logs" else "")

    def inspect(self, name):
        return json.loads(self.docker("inspect", name))[0]

    def health(self, name):
        return self.inspect(name)["State"]["Health"]["Status"]

    def wait_healthy(self, name):
        wait_until(f"{name} is healthy", lambda: self.health(name) == "healthy", HEALTHY_WITHIN_SECONDS)

    def crash(self, name):
        """Kills the process from outside: unlike `docker kill`, nobody's wish. Returns when it is gone."""
        before = self.inspect(name)["State"]
        os.kill(before["Pid"], signal.SIGKILL)
        wait_until(f"{name} is gone", lambda: self.inspect(name)["State"]["Pid"] != before["Pid"], 30)

    def sql(self, statement):
        return self.docker(
            "exec", "postgres", "psql", "-U", "telecom_user", "-d", "telecom_db", "-Atc", statement
        ).strip()

    def counted(self):
        """Records that were counted on time, late or as dead letters."""
        return int(self.sql("SELECT COALESCE(SUM(on_time + late + dead), 0) FROM stream_progress"))

    def partitions(self):
        """What `streamer status` says of each. From a container of its own: it must not wait for the streamer's CPU."""
        run = self.compose("run", "--rm", "--no-deps", "streamer", "status", "--json", check=False)
        return json.loads(run.stdout)["partitions"]

    def unread(self):
        """Records that the topic has and the database has not."""
        return sum(partition["lag_records"] for partition in self.partitions())

    def records(self):
        """Records in the topic."""
        return sum(partition["next_offset"] + partition["lag_records"] for partition in self.partitions())

    def produce(self, *arguments):
        """Sends events from the host, and waits until all are delivered."""
        with self.producing(*arguments):
            pass

    @contextlib.contextmanager
    def producing(self, *arguments):
        """Sends events from the host while the block runs; all must be delivered in the end."""
        if "--count" in arguments:
            expected = int(arguments[arguments.index("--count") + 1])
        else:
            lines = self.run(str(self.producer), "--stdout", *without_rate(arguments)).stdout
            expected = lines.count("\n")
        producer = subprocess.Popen(
            # It may still be starting when the block takes Kafka away, which is back after half a minute.
            [str(self.producer), "--wait", "2m", *arguments], cwd=self.folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        try:
            yield
        finally:
            output, _ = producer.communicate()
        assert producer.returncode == 0, output
        self.sent += expected

    def env(self, name, value):
        """Changes a line of .env, or makes it one that counts."""
        path = self.folder / ".env"
        text, count = re.subn(rf"(?m)^#?{name}=.*$", f"{name}={value}", path.read_text())
        assert count == 1, name
        path.write_text(text)

    def clean(self):
        """Takes everything down, also what an earlier run left."""
        self.run("docker", "rm", "--force", "copied", check=False)
        for service in self.run("docker", "ps", "--all", "--quiet").stdout.split():
            self.run("docker", "rm", "--force", service)
        self.run("docker", "volume", "prune", "--force")
        self.run("docker", "network", "prune", "--force")


def without_rate(arguments):
    """`--rate` changes when events are sent, never which."""
    parts = iter(arguments)
    for part in parts:
        if part == "--rate":
            next(parts)
        else:
            yield part


def wait_until(what, condition, seconds):
    """Looks at the condition again and again."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(PAUSE_SECONDS)


def seconds_until(action):
    """How long an action takes."""
    began = time.monotonic()
    action()
    return time.monotonic() - began
