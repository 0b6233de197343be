"""From an event's delivery to Kafka until its row is visible, with FLUSH_INTERVAL=1s.

Arguments: --seconds N --rate EVENTS_PER_SECOND. The clock starts when the event is handed to the client, and once more
at the broker's delivery report; it stops when the stored position has passed the event, seen by a query every 2 ms:
rows and positions are stored in one transaction. Out: results/freshness.json, with every percentile of both.
"""

import argparse
import bisect
import threading
import time

from confluent_kafka import Message, Producer

from . import positions, results
from .places import program
from .process import Measured
from .results import say
from .servers import Database, Topic, connect, generated, kafka, run

FLUSH_INTERVAL = "1s"
LOOK_EVERY_SECONDS = 0.002
PARTITIONS = 3


class Deliveries:
    """What the broker has confirmed: (partition, offset, sent, delivered), times monotonic."""

    def __init__(self) -> None:
        self.all: list[tuple[int, int, float, float]] = []

    def sent_now(self) -> "object":
        """A callback for one event that is handed to the client now."""
        sent = time.monotonic()

        def delivered(error: object, message: Message) -> None:
            if error:
                raise RuntimeError(f"an event was not delivered: {error}")
            self.all.append((message.partition(), message.offset(), sent, time.monotonic()))

        return delivered


def main() -> None:
    """Sends at a steady rate and watches positions."""
    parser = argparse.ArgumentParser(prog="harness.freshness")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rate", type=int, default=200)
    arguments = parser.parse_args()
    events = run([*generated(arguments.seconds * arguments.rate), "--stdout"]).encode().splitlines()
    with Topic(PARTITIONS) as topic, Database() as database:
        database.migrate()
        environment = {**topic.environment(database), "FLUSH_INTERVAL": FLUSH_INTERVAL}
        with connect(database.url) as session, Measured([program("streamer")], environment):
            deliveries, seen = send_and_watch(topic, session, events, arguments.rate)
    waits = sorted(wait(seen[partition], offset, sent) for partition, offset, sent, _ in deliveries)
    after_delivery = sorted(wait(seen[partition], offset, at) for partition, offset, _, at in deliveries)
    runs = [
        {"from": "sending", "events": len(waits), "percentiles_seconds": percentiles(waits)},
        {"from": "delivery report", "events": len(after_delivery), "percentiles_seconds": percentiles(after_delivery)},
    ]
    for line in runs:
        shown = line["percentiles_seconds"]
        say(f"from {line['from']}: p50 {shown['50']:.3f} s, p99 {shown['99']:.3f} s, max {shown['100']:.3f} s")
    parameters = {"flush_interval": FLUSH_INTERVAL, "seconds": arguments.seconds, "rate_per_second": arguments.rate}
    results.write("freshness", parameters, runs)


def send_and_watch(
    topic: Topic, session: object, events: list[bytes], rate: int, partitions: int = PARTITIONS
) -> tuple[list, dict]:
    """The deliveries, and by partition the (position, moment) pairs in the order in which they were seen."""
    deliveries = Deliveries()
    seen: dict[int, list[tuple[int, float]]] = {}
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            found = positions.stored(session, topic.name)
            now = time.monotonic()
            for partition, position in found.items():
                changes = seen.setdefault(partition, [])
                if not changes or changes[-1][0] != position:
                    changes.append((position, now))
            time.sleep(LOOK_EVERY_SECONDS)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        producer = Producer({"bootstrap.servers": kafka(), "linger.ms": 0})
        # The streamer is reading when it has stored the first event of each partition: how long a start takes is
        # measured elsewhere.
        for partition in range(partitions):
            producer.produce(topic.name, events[partition], partition=partition)
        producer.flush(30)
        while len(seen) < partitions or any(changes[-1][0] < 1 for changes in seen.values()):
            time.sleep(0.1)
        begin = time.monotonic()
        for number, event in enumerate(events[partitions:], start=partitions):
            time.sleep(max(0.0, begin + (number - partitions) / rate - time.monotonic()))
            # Spread by number, as keys would.
            producer.produce(topic.name, event, partition=number % partitions, on_delivery=deliveries.sent_now())
            producer.poll(0)
        producer.flush(30)
        deadline = time.monotonic() + 60
        while sum(changes[-1][0] for changes in seen.values() if changes) < len(events):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not all of {len(events)} events were stored: {seen}")
            time.sleep(0.1)
    finally:
        stop.set()
        watcher.join()
    return deliveries.all, seen


def wait(changes: list[tuple[int, float]], offset: int, since: float) -> float:
    """From `since` to the moment at which a position behind `offset` was first seen."""
    index = bisect.bisect_right(changes, offset, key=lambda change: change[0])
    return changes[index][1] - since


def percentiles(ordered: list[float]) -> dict[str, float]:
    """The 50th, 90th, 99th, 99.9th and the greatest."""
    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    return {"50": at(0.5), "90": at(0.9), "99": at(0.99), "99.9": at(0.999), "100": ordered[-1]}


if __name__ == "__main__":
    main()
