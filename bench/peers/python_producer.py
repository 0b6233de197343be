"""The producer's work as the plain Python program that it replaces, without that one's sleeps.

Draws each event with `random` and `uuid`, writes it with `json`, sends it with kafka-python, one call per event, and
waits for all deliveries at the end. Arguments: EVENTS. Environment: KAFKA_BOOTSTRAP_SERVERS, KAFKA_TOPIC.
"""

import json
import os
import random
import sys
import uuid
from datetime import datetime, timezone

from kafka import KafkaProducer

TYPES = {"data_session": 50, "call": 30, "sms": 15, "balance_recharge": 5}
REGIONS = {
    "Almaty": 30, "Astana": 25, "Shymkent": 15, "Karaganda": 10, "Aktobe": 5, "Taraz": 5, "Pavlodar": 4, "Semey": 3,
    "Atyrau": 2, "Kostanay": 1,
}
PREFIXES = ["701", "702", "705", "707", "771", "775", "777", "778"]
TENGE = [500, 1000, 2000, 3000, 5000, 10000]


def event() -> dict[str, object]:
    """One event of now."""
    event_type = random.choices(list(TYPES), weights=list(TYPES.values()))[0]
    drawn = {
        "event_id": str(uuid.uuid4()),
        "msisdn": f"7{random.choice(PREFIXES)}{random.randint(100, 999)}****",
        "event_type": event_type,
        "event_subtype": None,
        "duration_seconds": None,
        "data_mb": None,
        "amount": None,
        "region": random.choices(list(REGIONS), weights=list(REGIONS.values()))[0],
        "cell_tower_id": None,
        "timestamp": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    if event_type == "balance_recharge":
        drawn["amount"] = random.choice(TENGE)
        return drawn
    drawn["cell_tower_id"] = random.randint(1000, 9999)
    if event_type == "data_session":
        drawn["duration_seconds"] = random.randint(60, 7200)
        drawn["data_mb"] = round(random.uniform(1, 500), 2)
        return drawn
    drawn["event_subtype"] = random.choice(["incoming", "outgoing"])
    if event_type == "call":
        drawn["duration_seconds"] = random.randint(10, 600)
    return drawn


def main(events: int) -> None:
    """Sends so many events and ends when all are delivered."""
    producer = KafkaProducer(
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        value_serializer=lambda value: json.dumps(value).encode("utf-8"),
    )
    topic = os.environ["KAFKA_TOPIC"]
    deliveries = [producer.send(topic, value=event()) for _ in range(events)]
    producer.flush()
    for delivery in deliveries:
        delivery.get()
    producer.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
