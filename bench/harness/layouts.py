"""What an event costs the streamer in each way that other programs write it, beside kcat on the same topic.

Arguments: --events N --repetitions N --layouts NAME,NAME…. Out: results/layouts.json. The rows that come out are the
same for all layouts, and compared.
"""

import argparse
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from confluent_kafka import Producer

from . import drain, results
from .results import say
from .servers import Topic, generated, kafka, load

PARTITIONS = 3
COMPACT, BLANKS = (",", ":"), (", ", ": ")
UNKNOWN = {
    "schema_version": 3, "source_system": "mediation-07", "is_roaming": False,
    "rating": {"plan": "prepaid", "free": True, "steps": [1, 2.5, -300.0], "note": None},
    "ingested_at": "2025-11-09T12:00:00.000000+00:00",
}


def without(event: dict, *names: str) -> dict:
    """The event without these members."""
    return {name: value for name, value in event.items() if name not in names}


# As in bench/micro/src/layouts.rs.
LAYOUTS: dict[str, Callable[[dict], str]] = {
    "blanks": lambda event: json.dumps(event, separators=BLANKS),
    "field-missing": lambda event: json.dumps(without(event, "event_subtype"), separators=COMPACT),
    "sorted-keys": lambda event: json.dumps(event, separators=COMPACT, sort_keys=True),
    "nulls-left-out": lambda event: json.dumps(
        {name: value for name, value in event.items() if value is not None}, separators=COMPACT
    ),
    "unknown-fields": lambda event: json.dumps({**event, **UNKNOWN}, separators=COMPACT),
    "pretty": lambda event: json.dumps(event, indent=4),
}
OWN = "own"


def main() -> None:
    """All topics are made first, so that a change of the machine's speed meets all layouts."""
    parser = argparse.ArgumentParser(prog="harness.layouts")
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--layouts", default=",".join([OWN, *LAYOUTS]))
    arguments = parser.parse_args()
    names = arguments.layouts.split(",")
    runs = []
    with ExitStack() as stack:
        topics = {name: stack.enter_context(Topic(PARTITIONS)) for name in names}
        for name, topic in topics.items():
            say(f"{name}: sending {arguments.events:,} events")
            send(topic, arguments.events, name)
        for repetition in range(1, arguments.repetitions + 1):
            for name, topic in topics.items():
                ceiling = drain.kcat(topic)
                ours = drain.streamers(topic, arguments.events)
                runs.append({
                    "layout": name, "repetition": repetition, "kcat_cpu_seconds": ceiling.cpu_seconds,
                    "times_kcat": ours["cpu_seconds"] / ceiling.cpu_seconds, **ours,
                })
                say(f"{name}: {ours['cpu_seconds']:.2f} CPU-s, {runs[-1]['times_kcat']:.2f} × kcat")
    rows = {run["rows"] for run in runs}
    if len(rows) != 1:
        raise RuntimeError(f"not all layouts came to the same rows: {sorted(rows)}")
    parameters = {"events": arguments.events, "partitions": PARTITIONS, "repetitions": arguments.repetitions}
    results.write("layouts", parameters, runs)


def send(topic: Topic, events: int, layout: str) -> None:
    """So many events in one layout. The key decides the partition, as with the producer's own."""
    if layout == OWN:
        load(topic, events)
        return
    write = LAYOUTS[layout]
    producer = Producer({
        "bootstrap.servers": kafka(), "linger.ms": 50, "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": 512 * 1024, "partitioner": "murmur2_random",
    })
    for number, line in enumerate(drawn(events), start=1):
        event = json.loads(line)
        payload = write(event).encode()
        while True:
            try:
                producer.produce(topic.name, payload, key=event["subscriber_id"])
                break
            except BufferError:
                producer.poll(0.1)
        if number % 1_000 == 0:
            producer.poll(0)
    if producer.flush(120) != 0:
        raise RuntimeError(f"{layout}: not all events were delivered")


def drawn(events: int) -> Iterator[bytes]:
    """The producer's events, a line each."""
    command = [*generated(events), "--stdout"]
    environment = {**os.environ, "RUST_LOG": "error"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        yield from process.stdout
    if process.returncode != 0:
        raise RuntimeError(f"{command} ended with {process.returncode}")


if __name__ == "__main__":
    main()
