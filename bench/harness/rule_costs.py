"""What rules take of an evening of a million subscribers: memory, and the time in which it is built again.

Arguments: --subscribers N --repetitions N. A million subscribers make 1.6 million events in an hour of the evening; three such hours are counted
without rules. Then the ten rules of the example are put on, with windows of an hour at most and as they are, with three. Each repetition starts
the streamer at the end of the log: without rules, and with each set. What it takes longer until every partition is verified is the
rewind. Once more it is started and not stopped: its own figures say what rules remember, the kernel's what the whole process takes. Out:
results/rule-costs.json.
"""

import argparse
import tempfile
import time
from pathlib import Path

from . import metrics, results
from .places import REPOSITORY, program, shown
from .process import Cost, Measured
from .results import say
from .servers import FIRST_EVENT_TIME, SEED, Database, Topic, connect, run

# So that no partition comes to the 64 MiB that rules may take of one.
PARTITIONS = 12
RUN_SECONDS_MAX = 300
HOURS = 3
EVENTS_PER_SUBSCRIBER_AND_HOUR = 1.6
EXAMPLE = REPOSITORY / "crates/patterns/rules/example.toml"


def main() -> None:
    """Loads, puts rules on, starts again and again."""
    parser = argparse.ArgumentParser(prog="harness.rule_costs")
    parser.add_argument("--subscribers", type=int, default=1_000_000)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        runs = evening(folder, arguments)
    parameters = {
        "subscribers": arguments.subscribers, "hours": HOURS, "partitions": PARTITIONS,
        "events_per_subscriber_and_hour": EVENTS_PER_SUBSCRIBER_AND_HOUR, "repetitions": arguments.repetitions,
    }
    results.write("rule-costs", parameters, runs)


def evening(folder: Path, arguments: argparse.Namespace) -> list[dict]:
    """Rewinds and memory."""
    runs = []
    with Topic(PARTITIONS) as topic, Database() as database:
        database.migrate()
        load(topic, folder, arguments.subscribers)
        drain(topic, database)
        for repetition in range(1, arguments.repetitions + 1):
            at_rest = None
            for hours in (0, 1, HOURS):
                put_on(rules_file(folder, hours), database)
                cost = drain(topic, database)
                run_of = {"what": "start", "hours": hours, "repetition": repetition, "wall_seconds": cost.wall_seconds,
                          "cpu_seconds": cost.cpu_seconds, "peak_rss_bytes": cost.peak_rss_bytes}
                at_rest = at_rest or run_of
                run_of["rewind_seconds"] = cost.wall_seconds - at_rest["wall_seconds"]
                run_of["rewind_cpu_seconds"] = cost.cpu_seconds - at_rest["cpu_seconds"]
                runs.append(run_of)
                say(f"windows of {hours} h: {run_of}")
        for hours in (0, 1, HOURS):
            put_on(rules_file(folder, hours), database)
            runs.append({"what": "memory", "hours": hours, **memory(topic, database, hours)})
            say(str(runs[-1]))
        with connect(database.url) as session:
            gaps = session.execute("SELECT reason, count(*) FROM pattern_gaps GROUP BY reason").fetchall()
    if any(reason not in ("not_judged", "retention") for reason, _ in gaps):
        raise RuntimeError(f"rules may have missed something: {gaps}")
    return runs


def load(topic: Topic, folder: Path, subscribers: int) -> None:
    """Three even hours."""
    flat = f"every_day = {[1.0] * 24}"
    rate = subscribers * EVENTS_PER_SUBSCRIBER_AND_HOUR / 3_600
    scenario = folder / "evening.toml"
    scenario.write_text(
        f'extends = "default"\nsubscribers = {subscribers}\nbase_rate = {rate:.3f}\n[profiles.day]\n{flat}\n', encoding="utf-8"
    )
    command = [
        program("producer"), "--scenario", str(scenario), "--seed", str(SEED), "--from", FIRST_EVENT_TIME,
        "--to", "2025-11-09T08:00:00Z",
    ]
    say(shown(command, str(folder)))
    run(command, topic.environment())


def rules_file(folder: Path, hours: int) -> Path | None:
    """The example, with windows of so many hours at most; None: no rules."""
    path = example(folder) if hours else None
    if path and hours < HOURS:
        text = path.read_text(encoding="utf-8")
        # Another version each: what was put on under one number stays what it is.
        text = text.replace(f'within = "{HOURS}h"', f'within = "{hours}h"').replace("version = ", "version = 1")
        path.write_text(text, encoding="utf-8")
    return path


def example(folder: Path) -> Path:
    """A copy of the example, with the towers that it names."""
    (folder / "towers.csv").write_text(run([program("producer"), "towers", "--scenario", "lifelike"]), encoding="utf-8")
    path = folder / "rules.toml"
    path.write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    return path


def put_on(rules: Path | None, database: Database) -> None:
    """These rules, or none."""
    with connect(database.url) as session:
        are_on = session.execute("SELECT rules IS NOT NULL FROM rule_sets ORDER BY id DESC LIMIT 1").fetchone()
    if rules:
        run([program("streamer"), "rules", "apply", str(rules), "--by", "bench"], {"DATABASE_URL": database.url})
    elif are_on and are_on[0]:
        run([program("streamer"), "rules", "off", "--by", "bench"], {"DATABASE_URL": database.url})


def drain(topic: Topic, database: Database) -> Cost:
    """Until all is counted, and every partition verified."""
    with Measured([program("streamer"), "--drain"], topic.environment(database)) as measured:
        cost = measured.wait(RUN_SECONDS_MAX)
    if cost.exit_code != 0:
        raise RuntimeError(f"streamer --drain ended with {cost.exit_code}")
    return cost


def memory(topic: Topic, database: Database, hours: int) -> dict[str, float]:
    """What a streamer takes that has rewound and waits for more."""
    address = metrics.free_address()
    with Measured([program("streamer")], {**topic.environment(database), "METRICS_ADDR": address}) as measured:
        metrics.wait_until_served(address)
        deadline = time.monotonic() + RUN_SECONDS_MAX
        while True:
            own = metrics.read(address)
            is_there = own["streamer_partitions_read"] == PARTITIONS and own["streamer_partitions_rewinding"] == 0
            if is_there and (hours == 0 or own["streamer_rule_events_held"] > 0):
                break
            if time.monotonic() > deadline:
                raise TimeoutError(f"not all partitions are read: {own}")
            time.sleep(0.1)
        return {
            "events_held": own["streamer_rule_events_held"], "rule_bytes": own["streamer_rule_memory_bytes"],
            "rss_bytes": measured.rss_bytes(),
        }


if __name__ == "__main__":
    main()
