"""Events that keep coming, and what they must come to: the generator's own sums against the tables.

In: the two servers' addresses from `sandbox run`. Out: a producer that runs, and `Database.differences` from what it says must be there.
"""

import collections
import json
import os
import pathlib
import subprocess
import urllib.parse

import pg8000.native

PROGRAMS = pathlib.Path(os.environ["PROGRAMS"])
KAFKA = os.environ["SANDBOX_KAFKA"]
OWNER_URL = os.environ["DATABASE_URL"]
TOPIC = "telecom_events"
PARTITIONS = 6
INSTANT = """'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"""
# Half an hour's records come late, twice, damaged or from a wrong clock.
SCENARIO = """
extends = "kazakhstan"
subscribers = 5_000
base_rate = 8
[faults]
late = { share = 0.03, seconds = [130, 3_600] }
out_of_order = { share = 0.05, seconds = [1, 100] }
duplicate = { share = 0.01, seconds = [0, 600] }
malformed = { share = 0.02 }
"""


class Load:
    """A producer that sends so many events, the same ones each time, at a steady rate."""

    def __init__(self, folder, events, per_second):
        self.events = events
        self.truth_path = folder / "truth.ndjson"
        self.log_path = folder / "producer.log"
        (folder / "scenario.toml").write_text(SCENARIO)
        command = [
            PROGRAMS / "producer", "--kafka-bootstrap-servers", KAFKA, "--kafka-topic", TOPIC, "--topic-partitions", PARTITIONS,
            "--scenario", folder / "scenario.toml", "--seed", 7, "--from", "2025-11-09T00:00:00Z", "--to", "2025-11-16T00:00:00Z",
            "--count", events, "--rate", per_second, "--truth", self.truth_path,
        ]
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def is_under_way(self):
        return self.process.poll() is None

    def finish(self, seconds):
        """Waits for the end, and returns what the tables must hold."""
        code = self.process.wait(timeout=seconds)
        assert code == 0, f"the producer ended with {code}:\n{self.log_path.read_text()[-2000:]}"
        lines = [json.loads(line) for line in self.truth_path.read_text().splitlines()]
        assert lines[-1]["kind"] == "end", "the truth has no end"
        return Truth(lines)


class Truth:
    """What a pipeline must make of the events, as the generator says: rows as text, by key as text."""

    def __init__(self, lines):
        self.sent = lines[-1]["sent"]
        self.tables = {name: {} for name in ("real_time_metrics", "late_metrics", "dead_letters", "stream_progress")}
        dead = collections.Counter()
        for line in lines:
            if line["kind"] == "window":
                for field, table in (("on_time", "real_time_metrics"), ("late", "late_metrics")):
                    sums = line[field]
                    if sums["events"]:
                        key = f"{line['start']} {line['event_type']} {line['region']}"
                        self.tables[table][key] = f"{sums['events']} events, {sums['seconds']} s, {sums['data_mb']} MB, {sums['amount']} tenge"
            elif line["kind"] == "dead":
                dead[line["reason"]] += line["count"]
            elif line["kind"] == "partition":
                key = str(line["partition"])
                self.tables["stream_progress"][key] = f"{line['on_time']} on time, {line['late']} late, {line['dead']} dead, last event at {line['max_event_time']}"
        self.tables["dead_letters"] = {reason: str(count) for reason, count in dead.items()}


class Database:
    """PostgreSQL, as its owner."""

    def __init__(self):
        parts = urllib.parse.urlsplit(OWNER_URL)
        self.address = {"host": parts.hostname, "port": parts.port, "database": parts.path.lstrip("/")}
        self.connection = pg8000.native.Connection(parts.username, password=parts.password, **self.address)

    def run(self, statement):
        return self.connection.run(statement)

    def url_of(self, user, password):
        return f"postgres://{user}:{password}@{self.address['host']}:{self.address['port']}/{self.address['database']}"

    def counted(self):
        return int(self.run("SELECT COALESCE(SUM(on_time + late + dead), 0) FROM stream_progress")[0][0])

    def differences(self, truth):
        """Where the tables are not what the generator says: sentences, at most ten for each table."""
        sentences = []
        for table, expected in truth.tables.items():
            found = dict(self.run(QUERIES[table]))
            keys = [key for key in sorted(expected.keys() | found.keys()) if expected.get(key) != found.get(key)]
            sentences += [f"{table}, {key}: expected {expected.get(key)}, found {found.get(key)}" for key in keys[:10]]
        return sentences


def _metrics(table):
    return f"""SELECT to_char(window_start, {INSTANT}) || ' ' || event_type || ' ' || region,
        event_count || ' events, ' || total_duration || ' s, ' || round(exact_data_mb, 2) || ' MB, ' || round(exact_amount) || ' tenge'
        FROM {table}"""


QUERIES = {
    "real_time_metrics": _metrics("real_time_metrics"),
    "late_metrics": _metrics("late_metrics"),
    "dead_letters": "SELECT reason, count(*)::text FROM dead_letters GROUP BY reason",
    "stream_progress": f"""SELECT partition::text, on_time || ' on time, ' || late || ' late, ' || dead || ' dead, last event at '
        || to_char(max_event_time, {INSTANT}) FROM stream_progress""",
}
