"""What Flink SQL finds, added up as the streamer's alerts are, and how the two differ. Needs nothing but Python.

Of the sequence Flink names each pair of calls once, by MATCH_RECOGNIZE; docs/rules.md makes a hit of each call that is looked for
while the window holds both, which is done here.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

# As bench/peers/patterns.toml has them.
BUCKETS = {"many_messages": timedelta(hours=1), "many_numbers": timedelta(days=1), "called_back": timedelta(hours=1)}
CALLED_BACK_WITHIN = timedelta(minutes=30)
EXAMPLES = 5


class Key(NamedTuple):
    """Of what is one alert, if all partitions are taken together."""

    rule: str
    subscriber: str
    bucket: datetime


class Found(NamedTuple):
    """What it says. `measured`: None, where Flink does not measure it."""

    hits: int
    first: datetime
    measured: int | None


def added_up(rows: list[tuple], calls: dict[str, list[datetime]]) -> dict[Key, Found]:
    """Flink's findings, in order of time, as alerts.

    `rows`: (rule, subscriber, moment, moment of the missed call, measured); `calls`: by subscriber the moments of those that
    `called_back` looks for, in their order.
    """
    found: dict[Key, Found] = {}
    pairs: dict[str, list[tuple[datetime, datetime]]] = {}

    def hit(rule: str, subscriber: str, at: datetime, measured: int | None) -> None:
        key = Key(rule, subscriber, bucket_of(at, BUCKETS[rule]))
        before = found.get(key)
        found[key] = before._replace(hits=before.hits + 1) if before else Found(1, at, measured)

    for rule, subscriber, at, first, measured in rows:
        if rule == "called_back":
            pairs.setdefault(subscriber, []).append((first, at))
        else:
            hit(rule, subscriber, at, measured)
    for subscriber, called_back in pairs.items():
        for at in calls[subscriber]:
            if any(back <= at < missed + CALLED_BACK_WITHIN for missed, back in called_back):
                hit("called_back", subscriber, at, None)
    return found


def bucket_of(at: datetime, length: timedelta) -> datetime:
    """Its start; buckets are counted from 1970."""
    epoch = datetime(1970, 1, 1)
    return at - (at - epoch) % length


def compare(findings: dict[Key, Found], alerts: dict[Key, Found]) -> dict[str, object]:
    """How Flink's findings differ from the streamer's alerts."""
    different = [key for key in findings.keys() & alerts.keys() if findings[key] != alerts[key]]
    only_there, only_here = findings.keys() - alerts.keys(), alerts.keys() - findings.keys()
    examples = []
    for title, keys in (("differ", different), ("only Flink's", only_there), ("only the streamer's", only_here)):
        for key in sorted(keys)[:EXAMPLES]:
            examples.append(f"{title}: {key}, Flink {findings.get(key)}, streamer {alerts.get(key)}")
    return {
        "alerts_different": len(different), "alerts_only_flink": len(only_there), "alerts_only_streamer": len(only_here),
        "equal": findings == alerts, "examples": examples,
    }
