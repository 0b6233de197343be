"""The checks about the system in containers: a PASS or FAIL line for each.

In: a checkout without .env (argument), a Docker engine (DOCKER_HOST), Docker Compose (COMPOSE). Out: lines on standard
output; exit 1 if a check fails. The checks build on each other in the order below: a day of events,
then live ones, then everything that can go wrong.
"""

import datetime
import os
import pathlib
import re
import secrets
import shutil
import socket
import sys
import time
import traceback

from stack import Stack, seconds_until, wait_until

DAY = "2025-11-09"
# Two hours of the live curve, event times in the past; and a flood for a starved streamer.
BACKFILL = ["--seed", "1", "--from", DAY, "--to", f"{DAY}T02:00:00Z"]
FLOOD_EVENTS = 1_500_000
# The exchange's database, beside ours.
EXCHANGE = {"USER": "pbx", "PASSWORD": "pbx", "DB": "pbx"}
# Profiles that are not started here: nothing stands in for the images of Prometheus, Alertmanager and Grafana; the archiver
# takes half an hour to build (TEST_COMPOSE_LAKE=1).
NOT_STARTED = ["monitoring"] + ([] if os.environ.get("TEST_COMPOSE_LAKE") else ["lake"])
UP_WITHIN_SECONDS = 120
LASTING = ("zookeeper", "kafka", "postgres", "streamer", "airflow-scheduler", "airflow-webserver")

stack = Stack(pathlib.Path(sys.argv[1]))


def without_env_up_names_the_command_that_makes_it():
    run = stack.compose("up", "-d", check=False)
    assert run.returncode != 0 and "cp .env.example .env" in run.stderr, run.stderr
    stack.run("cp", ".env.example", ".env")


def all_images_are_built():
    profiles = [part for name in ("producer", "intake", "tools", "dbt", "bi") for part in ("--profile", name)]
    stack.compose(*profiles, "build", capture=False)
    # What Maven fetches comes through this machine's authorities.
    stack.compose("--profile", "connect", "build", "--build-arg", "DEBIAN_RELEASE=trusting", "connect", capture=False)


def our_images_are_small_labelled_and_not_root():
    for name, most_mb in (("streamer", 60), ("producer", 60), ("intake", 60), ("batcher", 30)):
        image = stack.inspect(f"telecom/{name}:local")
        assert image["Config"]["User"] == "10001:10001", image["Config"]
        assert image["Config"]["Labels"]["org.opencontainers.image.title"] == name, image["Config"]
        # The base is the distribution's: what counts is what we add to it.
        added = sum(int(size) for size in stack.docker(
            "history", "--no-trunc", "--human=false", "--format", "{{.Size}}", f"telecom/{name}:local"
        ).split()[:-1])
        note(f"telecom/{name}: {added / 1e6:.1f} MB on top of its base")
        assert added < most_mb * 1e6, (name, added)


def up_wait_makes_every_lasting_service_healthy_within_two_minutes():
    took = seconds_until(lambda: stack.compose("up", "-d", "--wait", capture=False))
    note(f"healthy after {took:.0f} s")
    assert took <= UP_WITHIN_SECONDS, took
    for name in LASTING:
        assert stack.health(name) == "healthy", name
    states = stack.compose("ps").stdout
    assert states.count("(healthy)") == len(LASTING), states


def the_readmes_block_works_when_it_is_pasted():
    for command in commands_of("README.md", "## With Docker"):
        run = stack.typed(command)
        assert run.returncode == 0, (command, run.stdout[-800:], run.stderr[-800:])
    stack.compose("--profile", "producer", "stop", "producer")
    stack.sent = stack.records()
    day = f"window_start >= '{DAY}' AND window_start < DATE '{DAY}' + 1"
    counted = int(stack.sql(f"SELECT SUM(event_count) FROM real_time_metrics WHERE {day}"))
    total = int(stack.sql(f"SELECT SUM(total_events) FROM daily_stats WHERE date = '{DAY}' AND region = 'ALL'"))
    note(f"{counted} events of {DAY}")
    assert counted == total > 100_000, (counted, total)
    assert stack.sql("SELECT COALESCE(SUM(event_count), 0) FROM late_metrics") == "0"


def a_producer_on_the_host_reaches_kafka_and_rows_arrive():
    # The program itself, out of its image, as `cargo run -p producer` is.
    stack.docker("create", "--name", "copied", "telecom/producer:local")
    stack.docker("cp", "copied:/usr/local/bin/producer", str(stack.producer))
    stack.docker("rm", "copied")
    stack.produce(*BACKFILL)
    wait_until("the backfill is counted", lambda: stack.counted() == stack.sent, seconds=120)


def the_batcher_computes_a_day_from_its_container_and_from_within_airflow():
    stack.compose("run", "--rm", "batcher", DAY)
    first = stack.sql(f"SELECT * FROM daily_stats WHERE date = '{DAY}' ORDER BY 1, 2, 3")
    assert first.count("\n") > 30, first
    stack.sql("TRUNCATE daily_stats")
    stack.docker("exec", "airflow-scheduler", "batcher", DAY)
    assert stack.sql(f"SELECT * FROM daily_stats WHERE date = '{DAY}' ORDER BY 1, 2, 3") == first


def dbt_models_the_day_and_superset_has_its_dashboards():
    stack.compose("--profile", "dbt", "run", "--rm", "dbt", "build")
    assert int(stack.sql(f"SELECT SUM(total_events) FROM marts.fct_region_daily WHERE date = '{DAY}'")) > 0
    stack.compose("--profile", "bi", "up", "-d", "--wait", capture=False)
    # Superset's own database, asked where it stands.
    ask = "import sqlite3; print(*sqlite3.connect('/var/lib/superset/superset.db').execute('SELECT slug FROM dashboards ORDER BY 1'))"
    dashboards = stack.docker("exec", "superset", "python", "-c", ask)
    assert dashboards.strip() == "('data-quality',) ('traffic-and-money',)", dashboards
    note(stack.docker("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}", "superset").strip())
    stack.compose("--profile", "bi", "stop", "superset")


def the_dag_is_there_and_not_paused():
    listed = stack.docker("exec", "airflow-scheduler", "airflow", "dags", "list", "--output", "plain")
    lines = [line.split() for line in listed.splitlines() if line.startswith("daily_metrics_batch")]
    assert lines and lines[0][-1] == "False", listed
    errors = stack.docker("exec", "airflow-scheduler", "airflow", "dags", "list-import-errors")
    assert "No data found" in errors, errors


def the_producer_profile_sends_live_events():
    before = stack.counted()
    stack.compose("--profile", "producer", "up", "-d", "--wait")
    wait_until("live events are counted", lambda: stack.counted() > before + 10, seconds=120)
    stack.compose("--profile", "producer", "stop", "producer")
    assert stack.inspect("producer")["State"]["ExitCode"] == 0, stack.inspect("producer")["State"]
    stack.sent = stack.records()


def a_stop_is_orderly_and_quick():
    took = seconds_until(lambda: stack.compose("stop", "streamer"))
    assert stack.inspect("streamer")["State"]["ExitCode"] == 0, stack.inspect("streamer")["State"]
    note(f"streamer stopped after {took:.0f} s")
    assert took < 25, took
    stack.compose("up", "-d", "--wait")


def memory_in_use_is_within_the_limits():
    lines = stack.docker("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}").splitlines()
    assert len(lines) >= len(LASTING), lines
    for line in sorted(lines):
        note(line)
    assert not any(stack.inspect(name)["State"]["OOMKilled"] for name in LASTING)


def a_crash_of_kafka_heals_by_itself_and_loses_nothing():
    with stack.producing(*BACKFILL, "--rate", "300"):
        stack.crash("kafka")
        took = seconds_until(lambda: stack.wait_healthy("kafka"))
    note(f"Kafka healthy {took:.0f} s after the crash")
    assert "NodeExistsException" not in stack.docker("logs", "kafka")
    wait_until("all is counted", lambda: stack.counted() == stack.sent, seconds=180)


def a_crash_of_the_streamer_heals_by_itself_and_loses_nothing():
    with stack.producing(*BACKFILL, "--rate", "1000"):
        stack.crash("streamer")
        stack.wait_healthy("streamer")
    wait_until("all is counted", lambda: stack.counted() == stack.sent, seconds=180)


def docker_kill_of_both_then_down_and_up_loses_nothing():
    stack.produce(*BACKFILL)
    stack.docker("kill", "streamer", "kafka")
    # With all profiles: a producer left behind would belong to a network that is gone.
    stack.compose("--profile", "*", "down")
    stack.compose("up", "-d", "--wait", capture=False)
    assert "NodeExistsException" not in stack.docker("logs", "kafka")
    wait_until("all is counted", lambda: stack.counted() == stack.sent, seconds=180)


def every_record_is_accounted_for():
    assert "accounting holds" in stack.docker("exec", "streamer", "streamer", "verify")
    assert stack.records() == stack.sent == stack.counted()


def a_starved_streamer_lags_says_so_and_does_not_end():
    restarts = stack.inspect("streamer")["RestartCount"]
    started = stack.inspect("streamer")["State"]["StartedAt"]
    stack.docker("update", "--cpus", "0.1", "streamer")
    stack.produce("--seed", "2", "--from", "2025-12-01", "--count", str(FLOOD_EVENTS), "--base-rate", "1000")
    behind = stack.unread()
    note(f"{behind} records behind, it says")
    assert behind > 0
    time.sleep(60)
    state = stack.inspect("streamer")
    assert state["State"]["Running"] and state["State"]["StartedAt"] == started, state["State"]
    assert state["RestartCount"] == restarts
    stack.docker("update", "--cpus", "2", "streamer")
    wait_until("it has caught up", lambda: stack.counted() == stack.sent, seconds=180)


def a_wrong_value_in_env_is_named_in_the_log():
    stack.env("FLUSH_INTERVAL", "30")
    run = stack.compose("up", "-d", "--wait", check=False)
    log = stack.compose("logs", "--tail", "5", "streamer").stdout
    assert run.returncode != 0 and "streamer" in run.stderr, run.stderr
    assert "--flush-interval" in log and "like 200ms, 30s or 2m" in log, log
    stack.env("FLUSH_INTERVAL", "30s")
    stack.compose("up", "-d", "--wait")


def a_port_in_use_is_named():
    with socket.create_server(("127.0.0.1", 18432)):
        stack.env("POSTGRES_HOST_PORT", "18432")
        run = stack.compose("up", "-d", check=False)
        assert run.returncode != 0 and "18432" in run.stderr and "in use" in run.stderr, run.stderr
    stack.env("POSTGRES_HOST_PORT", "5432")
    stack.compose("up", "-d", "--wait")


def calls_of_an_exchange_s_database_become_events():
    stack.env("SUBSCRIBER_KEY", secrets.token_hex(32))
    # The exchange: a PostgreSQL of its own in the network of the services, with a log that can be read.
    image = stack.inspect("postgres")["Config"]["Image"]
    network, = stack.inspect("postgres")["NetworkSettings"]["Networks"]
    told = [part for name, value in EXCHANGE.items() for part in ("--env", f"POSTGRES_{name}={value}")]
    stack.docker("run", "--detach", "--name", "pbx", "--network", network, *told, image, "postgres", "-c", "wal_level=logical")
    wait_until("the exchange's database is there", lambda: "1" in exchange("SELECT 1", check=False).stdout, seconds=60)
    exchange("""CREATE TABLE cdr (calldate timestamp NOT NULL, clid text, src text, dst text, dcontext text, channel text,
        dstchannel text, lastapp text, lastdata text, duration integer, billsec integer, disposition text,
        amaflags integer, accountcode text, uniqueid text, userfield text)""")
    stack.docker("cp", "connect/source.sql", "pbx:/tmp/")
    exchange("\\i /tmp/source.sql")
    exchange("ALTER ROLE cdr_reader PASSWORD 'reads'")
    stack.env("CDR_HOST", "pbx")
    stack.env("CDR_DATABASE", "pbx")
    stack.env("CDR_PASSWORD", "reads")
    command = "docker-compose --profile connect up -d"
    assert command in (stack.folder / "docs/your-data.md").read_text()
    run = stack.typed(command)
    assert run.returncode == 0, run.stderr[-500:]
    stack.wait_healthy("connect")
    before = stack.records()
    exchange("""INSERT INTO cdr (calldate, src, dst, duration, billsec, disposition, uniqueid, channel)
        SELECT now() AT TIME ZONE 'Asia/Almaty' - i * interval '1 minute', '87010000' || lpad(i::text, 3, '0'), '87770000999', 60 + i, 50 + i,
               'ANSWERED', '1700000000.' || i, 'PJSIP/1' FROM generate_series(1, 100) AS i""")
    wait_until("the calls have become events", lambda: stack.records() == before + 100, seconds=180)
    raw = stack.docker("exec", "kafka", "java", "-cp", "/opt/jars/*", "kafka.tools.ConsoleConsumer", "--bootstrap-server",
                       "kafka:29092", "--topic", "pbx.public.cdr", "--from-beginning", "--max-messages", "100",
                       "--timeout-ms", "20000")
    assert "7701000****" in raw and not re.search(r"7010000[0-9]{3}", raw), raw[:500]
    note(stack.docker("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}", "connect").strip())
    stack.sent = stack.records()


def exchange(statements, check=True):
    return stack.run("docker", "exec", "pbx", "psql", "postgres://pbx:pbx@localhost/pbx", "-v", "ON_ERROR_STOP=1",
                     "-Atc", statements, check=check)


def every_everyday_command_of_the_documentation_runs():
    commands = commands_of("docs/compose.md", "## Everyday commands")
    assert len(commands) > 10, commands
    # What an operator of intake has: two folders, and the key from above. The exchange is still there.
    profiles = stack.folder / "crates/intake/profiles"
    for folder, name, source in (("records", "Master.csv", profiles / "samples/asterisk-csv.csv"),
                                 ("mapping", "mapping.toml", profiles / "asterisk-csv.toml")):
        (stack.folder / folder).mkdir()
        shutil.copyfile(source, stack.folder / folder / name)
    for command in commands:
        if any(f"--profile {name}" in command for name in NOT_STARTED) or ("archiver" in command and "lake" in NOT_STARTED):
            continue
        if "churn" in command: # it needs three months of a lake: make test-churn
            continue
        before = stack.records() if "--profile intake up" in command else None
        run = stack.typed(command)
        assert run.returncode == 0, (command, run.stdout[-500:], run.stderr[-500:])
        if before is not None:
            wait_until("intake has sent the sample's rows", lambda: stack.records() > before, seconds=120)
    stack.compose("up", "-d", "--wait")
    wait_until("all is counted", lambda: stack.unread() == 0, seconds=120)


def every_new_command_of_the_parity_page_runs():
    text = (stack.folder / "docs/parity.md").read_text().split("## Old command, new command")[1]
    commands = re.findall(r"\| `([^`|]*)` \|$", text, re.MULTILINE)
    assert len(commands) > 6, commands
    for command in commands:
        # Two of them go on until they are interrupted, as their predecessors did.
        interrupted = command == "cargo run -p producer" or " logs -f " in command
        run = stack.typed(f"timeout --signal INT 20 {command}" if command.startswith("cargo") else command,
                          seconds=20 if " logs -f " in command else None)
        assert interrupted or run.returncode == 0, (command, run.stdout[-500:], run.stderr[-500:])
        if command.startswith("cargo"):
            assert "delivered" in run.stderr + run.stdout, (run.stdout[-500:], run.stderr[-500:])
    stack.compose("up", "-d", "--wait")
    stack.sent = stack.records()


def commands_of(page, heading):
    """The commands of the first block below a heading, without their comments."""
    text = (stack.folder / page).read_text()
    block = re.search(rf"{heading}\n.*?```sh\n(.*?)```", text, re.DOTALL).group(1)
    commands = [re.split(r"\s+#", line)[0].strip() for line in block.splitlines()]
    return [command for command in commands if command]


def the_same_without_zookeeper():
    stack.compose("--profile", "*", "down", "--volumes")
    stack.files = ["docker-compose.yml", "docker-compose.kraft.yml"]
    stack.sent = 0
    stack.compose("up", "-d", "--wait", capture=False)
    assert "zookeeper" not in stack.compose("ps", "--services").stdout
    stack.produce(*BACKFILL)
    wait_until("the backfill is counted", lambda: stack.counted() == stack.sent, seconds=120)
    note(stack.docker("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}", "kafka").strip())
    stack.crash("kafka")
    stack.wait_healthy("kafka")
    stack.produce(*BACKFILL)
    wait_until("all is counted", lambda: stack.counted() == stack.sent, seconds=180)


def note(line):
    """A measured value, beside the check that follows."""
    print(f"     {line}", flush=True)


CHECKS = [
    value for name, value in list(globals().items())
    if callable(value) and getattr(value, "__module__", "") == __name__ and name not in ("note", "commands_of", "exchange")
]


def main():
    print(f"{datetime.date.today()}, {len(CHECKS)} checks", flush=True)
    stack.clean()
    passed = failed = 0
    for check in CHECKS:
        text = check.__name__.replace("_", " ")
        try:
            check()
        except Exception:
            failed += 1
            print(f"FAIL {text}\n{traceback.format_exc()}", flush=True)
            if check is all_images_are_built:
                break  # no other check can pass, and each would build them again
        else:
            passed += 1
            print(f"PASS {text}", flush=True)
    stack.clean()
    print(f"{passed} of {len(CHECKS)} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
