"""Events as Confluent's own serializer writes them: JSON on standard input, one a line; the frames on standard output, in hexadecimal,
one a line. Its schema, which it registers itself, has what the test's own encoder has not: an enum, an instant, a decimal, defaults, and
members that the contract does not know. Argument: the registry's address."""

import json
import sys
from datetime import datetime
from decimal import Decimal

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

KINDS = ["data_session", "call", "sms", "balance_recharge"]


def optional(name, kind):
    return {"name": name, "type": ["null", kind], "default": None}


SCHEMA = {
    "type": "record",
    "name": "Event",
    "namespace": "kz.operator",
    "fields": [
        {"name": "sequence", "type": "long"},
        {"name": "event_type", "type": {"type": "enum", "name": "Kind", "symbols": KINDS}},
        {"name": "region", "type": "string"},
        {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        optional("duration_seconds", "int"),
        optional("data_mb", "double"),
        optional("amount", {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}),
        {"name": "tags", "type": {"type": "map", "values": "string"}},
    ],
}


def converted(number, event):
    event["sequence"] = number
    event["timestamp"] = datetime.fromisoformat(event["timestamp"])
    if event.get("amount") is not None:
        event["amount"] = Decimal(str(event["amount"]))
    event["tags"] = {"source": "switch"}
    return event


serialize = AvroSerializer(SchemaRegistryClient({"url": sys.argv[1]}), json.dumps(SCHEMA))
context = SerializationContext("events", MessageField.VALUE)
for number, line in enumerate(sys.stdin):
    print(serialize(converted(number, json.loads(line)), context).hex())
