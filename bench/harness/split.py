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


def send(topic: Topic, command: list[str], parts: int) -> int:
    """Sends what the producer's command line draws, regions cut into so many parts; the number of events."""
    producer = Producer({
        "bootstrap.servers": kafka(), "linger.ms": 50, "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": 512 * 1024,
    })
    number = 0
    environment = {**os.environ, "RUST_LOG": "error"}
    with subprocess.Popen([*command, "--stdout"], stdout=subprocess.PIPE, env=environment) as drawn:
        for number, line in enumerate(drawn.stdout, start=1):
            head, mark, tail = line.rstrip(b"\n").partition(AFTER_REGION)
            payload = b"%s part %03d%s%s" % (head, number % parts, mark, tail)
            while True:
                try:
                    producer.produce(topic.name, payload)
                    break
                except BufferError:
                    producer.poll(0.1)
            if number % 1_000 == 0:
                producer.poll(0)
    if drawn.returncode != 0 or producer.flush(120) != 0:
        raise RuntimeError(f"{command} ended with {drawn.returncode} after {number} events, or not all were delivered")
    return number
