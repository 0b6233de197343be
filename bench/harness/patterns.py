"""Three rules by the streamer and by Flink SQL, on the same log: what both find, compared hit by hit, and what it costs them.

Arguments: --repetitions N --from TIME --to TIME, with 5 to 6 o'clock of 2025-11-09 in between. The streamer counts and stores its minutes besides, once with the rules and once without; Flink does nothing but the
rules. Out: results/patterns.json.

What is compared is what an alert is made of: by rule, subscriber and bucket the number of hits, the moment of the first one and what it measured. Flink's
findings are added up the same way (findings.py).
"""

import argparse
from pathlib import Path

from . import results, rule_log
from .engines import flink_version, run_flink_script, server_versions, work_folder
from .findings import BUCKETS, Found, Key, added_up, compare
from .places import PEERS, program, shown
from .process import Cost, Measured
from .results import say
from .servers import Database, Topic, connect, run

PARTITIONS = 3
RUN_SECONDS_MAX = 300
RULES = PEERS / "patterns.toml"
FINDINGS = """
CREATE TABLE findings (
    rule TEXT NOT NULL, subscriber_id TEXT NOT NULL, found_at TIMESTAMP NOT NULL, first_at TIMESTAMP, measured BIGINT NOT NULL
)
"""
ALERTS = """
SELECT rule, subscriber_id, bucket_start, sum(hits)::bigint, min(window_end),
       (array_agg((measures->0->>0)::float8::bigint ORDER BY window_end))[1]
FROM persons.alerts GROUP BY rule, subscriber_id, bucket_start
"""


def main() -> None:
    """Sends the log, runs, writes."""
    parser = argparse.ArgumentParser(prog="harness.patterns")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--from", dest="begin", default=rule_log.FROM)
    parser.add_argument("--to", dest="end", default=rule_log.TO)
    arguments = parser.parse_args()
    versions = {"flink": flink_version()}
    with Database() as database:
        versions |= server_versions(database)
    with Topic(PARTITIONS) as topic:
        log = rule_log.send(topic, arguments.begin, arguments.end)
        say(f"{log.events:,} events sent, {log.left_out} of a subscriber's millisecond before left out")
        runs = []
        for repetition in range(1, arguments.repetitions + 1):
            ours, alerts = streamer(topic, log, True)
            theirs, findings = flink(topic, log)
            without, _ = streamer(topic, log, False)
            expect_edges(alerts)
            theirs |= compare(findings, alerts)
            for line in theirs.pop("examples"):
                say(line)
            for name, figures in (("streamer", ours), ("flink", theirs), ("streamer without rules", without)):
                runs.append({"engine": name, "repetition": repetition, **figures})
                say(f"{name}: {figures}")
    parameters = {
        "events": log.events, "events_left_out": log.left_out, "partitions": PARTITIONS, "load": shown(rule_log.command(arguments.begin, arguments.end)),
        "from": arguments.begin, "to": arguments.end,
        "repetitions": arguments.repetitions,
    }
    results.write("patterns", parameters, runs, versions)


def streamer(topic: Topic, log: rule_log.Log, with_rules: bool) -> tuple[dict, dict[Key, Found]]:
    """Drains the topic. `RuntimeError` when it does not count every event as on time, or says that rules may have missed something."""
    with Database() as database:
        database.migrate()
        if with_rules:
            run([program("streamer"), "rules", "apply", str(RULES), "--by", "bench"], {"DATABASE_URL": database.url})
        with Measured([program("streamer"), "--drain"], topic.environment(database)) as measured:
            cost = measured.wait(RUN_SECONDS_MAX)
        with connect(database.url) as session:
            counted = session.execute("SELECT sum(event_count)::bigint FROM real_time_metrics").fetchone()[0]
            gaps = session.execute("SELECT count(*) FROM pattern_gaps").fetchone()[0]
            rows = session.execute(ALERTS).fetchall()
    if cost.exit_code != 0 or counted != log.events or gaps:
        raise RuntimeError(f"streamer: exit code {cost.exit_code}, {counted} of {log.events} events on time, {gaps} gaps")
    alerts = {Key(rule, subscriber, bucket): Found(hits, first, measured if rule != "called_back" else None)
              for rule, subscriber, bucket, hits, first, measured in rows}
    return figures(cost, alerts), alerts


def flink(topic: Topic, log: rule_log.Log) -> tuple[dict, dict[Key, Found]]:
    """The same rules."""
    with Database() as database, work_folder() as folder:
        with connect(database.url) as session:
            session.execute(FINDINGS)
        to_run = run_flink_script("flink_patterns.sql", topic, database, Path(folder))
        said = Path(folder) / "log"
        with Measured(to_run.command, to_run.environment, log=str(said)) as measured:
            cost = measured.wait(RUN_SECONDS_MAX)
        if cost.exit_code != 0:
            raise RuntimeError(f"flink ended with {cost.exit_code}:\n{said.read_text(errors='replace')[-3000:]}")
        with connect(database.url) as session:
            query = "SELECT rule, subscriber_id, found_at, first_at, measured FROM findings ORDER BY found_at"
            rows = session.execute(query).fetchall()
    findings = added_up(rows, log.calls)
    return figures(cost, findings), findings


def expect_edges(alerts: dict[Key, Found]) -> None:
    """`RuntimeError` unless of those at a window's edge just those who are inside are found."""
    for rule in rule_log.EDGES:
        for name, expected in (("inside", 1), ("outside", 0)):
            subscriber = rule_log.edge_subscriber(rule, name)
            found = sum(alert.hits for key, alert in alerts.items() if key[:2] == (rule, subscriber))
            if found != expected:
                raise RuntimeError(f"{rule}: {found} hits of who is {name} the window, {expected} expected")


def figures(cost: Cost, found: dict[Key, Found]) -> dict[str, object]:
    """What it cost, and by rule how many alerts and hits."""
    counts = {rule: {"alerts": 0, "hits": 0} for rule in BUCKETS}
    for key, alert in found.items():
        counts[key.rule]["alerts"] += 1
        counts[key.rule]["hits"] += alert.hits
    return {
        "cpu_seconds": cost.cpu_seconds, "wall_seconds": cost.wall_seconds, "peak_rss_bytes": cost.peak_rss_bytes,
        "found": counts,
    }


if __name__ == "__main__":
    main()
