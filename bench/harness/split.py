"""Events of more regions than a scenario may have: the producer's events, each region cut into parts.

An event's part is its number modulo the number of parts, so parts are equally frequent and nothing else changes.
"""

import os
import subprocess

from confluent_kafka import Producer

from .servers import Topic, kafka

# A scenario has so many regions at most.
REGIONS_MAX = 250
# What follows the region in the producer's own layout.
AFTER_REGION = b'","cell_tower_id"'


def cut(event: bytes, part: int) -> bytes:
    """The same event in a part of its region."""
    head, mark, tail = event.partition(AFTER_REGION)
    return b"%s part %03d%s%s" % (head, part, mark, tail)


def key_of(payload: bytes, field: bytes) -> bytes:
    """The value of a string field in the producer's own layout."""
    return payload.partition(b'"%s":"' % field)[2].partition(b'"')[0]


def send(topic: Topic, command: list[str], parts: int, key_field: bytes | None = None) -> int:
    """Sends what the producer's command line draws, regions cut into so many parts; the number of events.

    `key_field`: whose value is the message's key (none: messages have no key).
    """
    producer = Producer({
        "bootstrap.servers": kafka(), "linger.ms": 50, "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": 512 * 1024,
    })
    number = 0
    environment = {**os.environ, "RUST_LOG": "error"}
    with subprocess.Popen([*command, "--stdout"], stdout=subprocess.PIPE, env=environment) as drawn:
        for number, line in enumerate(drawn.stdout, start=1):
            payload = cut(line.rstrip(b"\n"), number % parts)
            while True:
                try:
                    producer.produce(topic.name, payload, key_field and key_of(payload, key_field))
                    break
                except BufferError:
                    producer.poll(0.1)
            if number % 1_000 == 0:
                producer.poll(0)
    if drawn.returncode != 0 or producer.flush(120) != 0:
        raise RuntimeError(f"{command} ended with {drawn.returncode} after {number} events, or not all were delivered")
    return number
