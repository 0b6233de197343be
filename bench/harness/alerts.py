"""From an event's delivery to Kafka until the alert that it makes can be read, with 400 groups and FLUSH_INTERVAL as it is by default.

Arguments: --seconds N --rate EVENTS_PER_SECOND --every N. Every Nth event is of somebody new and meets a rule in live mode, so each makes an
alert of its own: ten a second as it is by default, more than the flushes that alerts may bring about. The clock starts when the event is
handed to the client, and once more at the broker's delivery report; it stops when a query every 2 ms sees the alert's row. Out:
results/alerts.json, with every percentile of both.
"""

import argparse
import tempfile
import threading
import time
from pathlib import Path

import orjson
from confluent_kafka import Message, Producer

from . import metrics, results, scenarios
from .freshness import percentiles
from .places import program
from .process import Measured
from .results import say
from .servers import FIRST_EVENT_TIME, SEED, Database, Topic, connect, kafka, run

PARTITIONS = 3
REGIONS = 100
LOOK_EVERY_SECONDS = 0.002
SEEN_SECONDS_MAX = 60
TENGE = 777_777
RULES = f"""
[[rules]]
name = "much_at_once"
version = 1
mode = "live"
within = "1h"
conditions = [{{ kind = "count", where = {{ event_type = "balance_recharge", amount_at_least = {TENGE} }}, at_least = 1 }}]
"""


def main() -> None:
    """Sends at a steady rate and watches alerts."""
    parser = argparse.ArgumentParser(prog="harness.alerts")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--every", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Topic(PARTITIONS) as topic, Database() as database:
        events = drawn(scenarios.even(Path(folder), REGIONS), arguments)
        database.migrate()
        rules = Path(folder) / "rules.toml"
        rules.write_text(RULES, encoding="utf-8")
        run([program("streamer"), "rules", "apply", str(rules), "--by", "bench"], {"DATABASE_URL": database.url})
        address = metrics.free_address()
        environment = {**topic.environment(database), "METRICS_ADDR": address}
        with connect(database.url) as session, Measured([program("streamer")], environment):
            metrics.wait_until_served(address)
            sent, delivered, seen = send_and_watch(topic, session, events, arguments)
            own = metrics.read(address)
    runs = []
    for name, since in (("sending", sent), ("delivery report", delivered)):
        waits = sorted(seen[who] - at for who, at in since.items())
        runs.append({"from": name, "alerts": len(waits), "percentiles_seconds": percentiles(waits)})
        shown = runs[-1]["percentiles_seconds"]
        say(f"from {name}: p50 {shown['50']:.3f} s, p99 {shown['99']:.3f} s, max {shown['100']:.3f} s of {len(waits)}")
    flushes = own["streamer_flush_duration_seconds_count"]
    parameters = {
        "seconds": arguments.seconds, "rate_per_second": arguments.rate, "groups": REGIONS * len(scenarios.TYPES),
        "flushes": flushes, "rows_per_flush": own["streamer_flush_rows_total"] / flushes,
        "seconds_per_flush": own["streamer_flush_duration_seconds_sum"] / flushes,
    }
    say(f"{flushes:.0f} flushes of {parameters['rows_per_flush']:.0f} rows and {parameters['seconds_per_flush']:.4f} s")
    results.write("alerts", parameters, runs)


def drawn(scenario: str, arguments: argparse.Namespace) -> list[tuple[str | None, bytes]]:
    """The events in their order, and with each one that meets the rule whose it is."""
    command = [
        program("producer"), "--scenario", scenario, "--seed", str(SEED), "--from", FIRST_EVENT_TIME, "--base-rate",
        str(arguments.rate), "--count", str(arguments.rate * arguments.seconds), "--stdout",
    ]
    events: list[tuple[str | None, bytes]] = []
    for number, line in enumerate(run(command).encode().splitlines()):
        if number % arguments.every:
            events.append((None, line))
            continue
        who = f"{number:016x}"
        event = {**orjson.loads(line), "subscriber_id": who, "event_type": "balance_recharge", "event_subtype": None,
                 "duration_seconds": None, "data_mb": None, "amount": TENGE, "counterparty_id": None}
        events.append((who, orjson.dumps(event)))
    return events


def send_and_watch(
    topic: Topic, session: object, events: list[tuple[str | None, bytes]], arguments: argparse.Namespace
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """When each event that makes an alert was sent, and delivered, and when the alert was seen, all monotonic."""
    sent: dict[str, float] = {}
    delivered: dict[str, float] = {}
    seen: dict[str, float] = {}
    stop = threading.Event()

    def watch() -> None:
        last = 0
        while not stop.is_set():
            rows = session.execute(
                "SELECT id, subscriber_id FROM persons.alerts WHERE id > %s ORDER BY id", (last,)
            ).fetchall()
            now = time.monotonic()
            for last, who in rows:
                seen[who] = now
            time.sleep(LOOK_EVERY_SECONDS)

    def sent_now(who: str) -> "object":
        sent[who] = time.monotonic()

        def note(error: object, _message: Message) -> None:
            if error:
                raise RuntimeError(f"an event was not delivered: {error}")
            delivered[who] = time.monotonic()

        return note

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        producer = Producer({"bootstrap.servers": kafka(), "linger.ms": 0})
        begin = time.monotonic()
        for number, (who, event) in enumerate(events):
            time.sleep(max(0.0, begin + number / arguments.rate - time.monotonic()))
            told = {"on_delivery": sent_now(who)} if who else {}
            # Spread by number, as keys would.
            producer.produce(topic.name, event, partition=number % PARTITIONS, **told)
            producer.poll(0)
        producer.flush(30)
        deadline = time.monotonic() + SEEN_SECONDS_MAX
        while len(seen) < len(sent):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(seen)} of {len(sent)} alerts were stored")
            time.sleep(0.1)
    finally:
        stop.set()
        watcher.join()
    return sent, delivered, seen


if __name__ == "__main__":
    main()
