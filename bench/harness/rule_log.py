"""The log for the comparison of rules with Flink SQL: a day of the world `lifelike`, and who is at a window's very edge.

Times are cut to whole milliseconds, which is as fine as Flink's event time is. Of a subscriber's events of one millisecond only the first
is sent: Flink's RANGE frames take all of them for one moment, the streamer takes them as they come. Everything is in order of event time, so
no event is late. In: the producer's lines. Out: what was sent, and what the comparison needs to know of it.
"""

import heapq
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson
from confluent_kafka import Producer

from .findings import CALLED_BACK_WITHIN
from .places import program
from .servers import SEED, Topic, kafka

FROM, TO = "2025-11-09", "2025-11-10"
# Of a call that is missed (patterns.toml).
MISSED_SECONDS_MAX = 3
# The subscribers at the edges begin at an hour's start, so that a bucket's edge is there, too.
EDGE_BEGIN = datetime(2025, 11, 9, 5)
MILLISECOND = timedelta(milliseconds=1)
# By rule: the window, and so many events as it takes (patterns.toml).
EDGES = {"many_messages": (timedelta(minutes=10), 8), "many_numbers": (timedelta(hours=1), 6),
         "called_back": (CALLED_BACK_WITHIN, 2)}


@dataclass
class Log:
    """What was sent."""

    events: int = 0
    left_out: int = 0
    # By subscriber: the moments of calls that the rule `called_back` looks for, in their order.
    calls: dict[str, list[datetime]] = field(default_factory=dict)


def command(begin: str = FROM, end: str = TO) -> list[str]:
    """The producer's."""
    return [
        program("producer"), "--scenario", "lifelike", "--seed", str(SEED), "--from", begin, "--to", end, "--stdout",
    ]


def send(topic: Topic, begin: str, end: str) -> Log:
    """Draws the events and sends them; returns when the broker has all of them."""
    log = Log()
    failed: list[str] = []
    producer = Producer({"bootstrap.servers": kafka(), "linger.ms": 50, "compression.type": "lz4"})

    def delivered(error: object, _message: object) -> None:
        if error:
            failed.append(str(error))

    with subprocess.Popen(command(begin, end), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as drawn:
        for subscriber, line in kept(heapq.merge(cut(drawn.stdout), at_the_edges()), log):
            while True:
                try:
                    producer.produce(topic.name, line, key=subscriber, on_delivery=delivered)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
    if drawn.returncode != 0:
        raise RuntimeError(f"the producer ended with {drawn.returncode}")
    if producer.flush(60) or failed:
        raise RuntimeError(f"not all events were delivered: {failed[:1]}")
    return log


def cut(lines: Iterator[bytes]) -> Iterator[tuple[str, bytes]]:
    """(timestamp, line), with whole milliseconds."""
    name, digits = b'"timestamp":"', len("2025-11-09T05:00:00.123")
    for line in lines:
        begin = line.index(name) + len(name)
        timestamp = line[begin:begin + digits]
        yield timestamp.decode(), line[:begin] + timestamp + b"000" + line[begin + digits + 3:].rstrip()


def at_the_edges() -> list[tuple[str, bytes]]:
    """For each rule somebody whose first event has just left the window when the last one comes, and somebody whose is still in it."""
    found = []
    for rule, (within, events) in EDGES.items():
        last = EDGE_BEGIN + within
        for name, first in (("outside", EDGE_BEGIN), ("inside", EDGE_BEGIN + MILLISECOND)):
            moments = [first, *(last - timedelta(seconds=3) * number for number in range(events - 1))]
            for number, moment in enumerate(sorted(moments)):
                found.append(edge_event(rule, edge_subscriber(rule, name), number, moment))
    return sorted(found)


def edge_subscriber(rule: str, name: str) -> str:
    """A pseudonym that nobody else has, for `inside` and `outside`."""
    return f"{'0ed9e':0<12}{list(EDGES).index(rule):02}{('outside', 'inside').index(name):02}"


def edge_event(rule: str, subscriber: str, number: int, moment: datetime) -> tuple[str, bytes]:
    """One message or call; of a call that is called back, first the one that is missed."""
    is_call, is_missed = rule != "many_messages", rule == "called_back" and number == 0
    timestamp = moment.isoformat(timespec="milliseconds")
    event = {
        "event_id": f"{subscriber}-{number}", "msisdn": "7701000****", "event_type": "call" if is_call else "sms",
        "event_subtype": "incoming" if is_missed else "outgoing",
        "duration_seconds": (0 if is_missed else 60) if is_call else None, "data_mb": None, "amount": None,
        "region": "Almaty", "cell_tower_id": 1000, "timestamp": f"{timestamp}000Z", "subscriber_id": subscriber,
        "counterparty_id": f"{(0 if rule == 'called_back' else number):016x}",
    }
    return timestamp, json.dumps(event, separators=(",", ":")).encode()


def kept(lines: Iterator[tuple[str, bytes]], log: Log) -> Iterator[tuple[str, bytes]]:
    """(subscriber, line), without a subscriber's second event of one moment. `RuntimeError` when the order is not that of time."""
    before, last_of, ids = "", {}, set()
    for timestamp, line in lines:
        event = orjson.loads(line)
        subscriber = event["subscriber_id"]
        if timestamp < before or event["event_id"] in ids:
            raise RuntimeError(f"out of order, or the second of its event_id: {line!r}")
        before = timestamp
        ids.add(event["event_id"])
        if last_of.get(subscriber) == timestamp:
            log.left_out += 1
            continue
        last_of[subscriber] = timestamp
        log.events += 1
        if event["event_type"] == "call" and is_looked_for(event):
            log.calls.setdefault(subscriber, []).append(datetime.fromisoformat(timestamp))
        yield subscriber, line


def is_looked_for(call: dict) -> bool:
    """By the rule `called_back`: what goes out, and what was missed."""
    seconds = call["duration_seconds"]
    missed = call["event_subtype"] == "incoming" and seconds is not None and seconds <= MISSED_SECONDS_MAX
    return missed or call["event_subtype"] == "outgoing"
