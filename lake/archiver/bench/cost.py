"""What the lake costs: cost.py PROGRAMS ARCHIVER [EVENTS]. Prints one figure a line.

In: the servers of `sandbox run`; PROGRAMS, the folder of producer and streamer; an archiver; how many events, about.
Out: CPU, memory, size and times. `make bench-lake` runs it.
"""

import datetime
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

import duckdb
import duckdb_extension_delta

DAY, NEXT_DAY = "2025-11-09T00:00:00Z", "2025-11-10T00:00:00Z"
# What the scenario sends of a day at its own density, 2.
EVENTS_A_DAY = 182_880
LIVE_SECONDS = 30
INTERVAL_MILLIS = 250


class Cost:
    """What a program took that has run to its end."""

    def __init__(self, command, environment):
        begun = time.monotonic()
        said = tempfile.TemporaryFile(mode="w+")
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        self.seconds = time.monotonic() - begun
        self.cpu = usage.ru_utime + usage.ru_stime
        self.resident_mib = usage.ru_maxrss / 1024
        said.seek(0)
        self.said = said.read()
        if os.waitstatus_to_exitcode(status) != 0:
            raise SystemExit(f"{command} failed:\n{self.said}")


def size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*.parquet") if "_delta_log" not in path.parts)


def show(what, value):
    print(f"{what:<58} {value}", flush=True)


def of_a_backlog(programs, lake, folder, environment, wanted):
    """A day that is archived at once, compacted, compared and queried."""
    density = f"{2 * wanted / EVENTS_A_DAY:.3f}"
    Cost([programs / "producer", "--from", DAY, "--to", NEXT_DAY, "--base-rate", density], environment)
    Cost([programs / "streamer", "run", "--drain"], environment)
    archiving = lake("run", "--drain")
    (extension,) = pathlib.Path(duckdb_extension_delta.__file__).parent.rglob("delta.duckdb_extension")
    duckdb.sql(f"LOAD '{extension}'")
    scan = f"delta_scan('{folder / 'events'}')"
    (events,) = duckdb.sql(f"SELECT count(*) FROM {scan}").fetchone()
    millions = events / 1e6
    show("events", events)
    show("archiving, CPU-s a million", f"{archiving.cpu / millions:.2f}")
    show("archiving, greatest resident set, MiB", f"{archiving.resident_mib:.0f}")
    show("archiving, events a second", f"{events / archiving.seconds:.0f}")
    show("size, MB a million", f"{size(folder / 'events') / 1e6 / millions:.1f}")
    compacting = lake("compact")
    lake("vacuum", "--retention", "0s")
    show("compaction, CPU-s a million", f"{compacting.cpu / millions:.2f}")
    show("size after compaction, MB a million", f"{size(folder / 'events') / 1e6 / millions:.1f}")
    comparing = lake("reconcile", "2025-11-09")
    show("reconcile of the day, CPU-s a million", f"{comparing.cpu / millions:.2f}")
    show("reconcile of the day, MiB", f"{comparing.resident_mib:.0f}")
    query = f"SELECT region, event_type, count(*) FROM {scan} WHERE event_date = '2025-11-09' GROUP BY ALL"
    times = []
    for _ in range(5):
        begun = time.monotonic()
        duckdb.sql(query).fetchall()
        times.append(time.monotonic() - begun)
    show("DuckDB, the day by region and type, ms, median of 5", f"{statistics.median(times) * 1000:.0f}")
    days = lake("subscribers", "2025-11-09")
    show("subscriber-days, CPU-s a million", f"{days.cpu / millions:.2f}")
    show("subscriber-days, MiB", f"{days.resident_mib:.0f}")


def log_of(folder):
    """The table's commits in order, as files."""
    return sorted((folder / "events/_delta_log").glob("*.json"))


def greatest_lag(commits):
    """How old the lake's newest event became, in seconds: what was in it just before each commit, when that came. Event times are
    those of a producer that sends at once, so what streamer and Kafka took is part of it."""
    newest, greatest = None, 0
    for commit in commits:
        if newest is not None:
            greatest = max(greatest, commit.stat().st_mtime - newest)
        for line in commit.read_text().splitlines():
            stats = json.loads(json.loads(line).get("add", {}).get("stats", "{}"))
            if latest := stats.get("maxValues", {}).get("timestamp"):
                newest = max(newest or 0, datetime.datetime.fromisoformat(latest).timestamp())
    return greatest


def of_many_commits(programs, archiver, folder, environment):
    """How long a commit takes while events come, and how far the lake is behind them."""
    before = len(log_of(folder))
    said = tempfile.TemporaryFile(mode="w+")
    start = lambda *command, **more: subprocess.Popen(command, env={**os.environ, **environment}, **more)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes = [
        start(programs / "streamer", "run", "--flush-interval", f"{INTERVAL_MILLIS}ms", **quiet),
        start(archiver, "run", "--commit-interval", f"{INTERVAL_MILLIS}ms", stdout=said, stderr=said),
        start(programs / "producer", "--rate", "2000", **quiet),
    ]
    time.sleep(LIVE_SECONDS)
    for process in reversed(processes):
        process.terminate()
        process.wait()
    said.seek(0)
    units = {"ms": 1, "s": 1000, "µs": 0.001}
    took = [float(number) * units[unit] for number, unit in re.findall(r"committed_in=([0-9.]+)(µs|ms|s)", said.read())]
    took.sort()
    show(f"commits in {LIVE_SECONDS} s, one every {INTERVAL_MILLIS} ms at most", len(took))
    show("greatest age of the newest event in the lake, s", f"{greatest_lag(log_of(folder)[before:]):.1f}")
    show("files and commit, ms, median and 95th percentile", f"{statistics.median(took):.0f}, {took[len(took) * 95 // 100]:.0f}")


def main():
    programs, archiver = pathlib.Path(sys.argv[1]), sys.argv[2]
    wanted = int(sys.argv[3]) if len(sys.argv) > 3 else 2_000_000
    name = f"lake_{uuid.uuid4().hex[:8]}"
    server = os.environ["SANDBOX_POSTGRES"]
    subprocess.run(["psql", server, "-qc", f"CREATE DATABASE {name}"], check=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="lake-cost-"))
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": os.environ["SANDBOX_KAFKA"],
        "KAFKA_TOPIC": name,
        "KAFKA_GROUP_ID": name,
        "DATABASE_URL": re.sub(r"/[^/?]*(?=$|\?)", f"/{name}", server),
        "LAKE_URL": f"file://{folder}",
        "RUST_LOG": "info,librdkafka=warn,rdkafka=warn,sqlx=warn",
    }
    try:
        of_a_backlog(programs, lambda *arguments: Cost([archiver, *arguments], environment), folder, environment, wanted)
        of_many_commits(programs, archiver, folder, environment)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
