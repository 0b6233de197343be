"""What must come out: a plain computation over the records of a topic, in exact decimals.

Shares no code with any engine: records come through kcat, JSON through Python's own decoder, numbers are Decimals.
It judges nothing (no late events, no dead letters), so it is right for topics in order of event time only, as
`servers.load` makes them.
"""

import json
import subprocess
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from .rows import Key, Row
from .servers import connect, kafka


class Expected(NamedTuple):
    """All rows, and the highest event time."""

    rows: dict[Key, Row]
    last_event_time: datetime

    def closed(self, lateness: timedelta) -> dict[Key, Row]:
        """The rows of windows that a watermark so far behind the last event has passed."""
        watermark = self.last_event_time - lateness
        return {key: row for key, row in self.rows.items() if key.window_start + timedelta(minutes=1) <= watermark}

    @property
    def events(self) -> int:
        """All of them."""
        return sum(row.events for row in self.rows.values())


def expected(topic: str) -> Expected:
    """Reads the whole topic."""
    sums: dict[tuple[str, str, str], list] = {}
    last = ""
    command = ["kcat", "-C", "-e", "-q", "-b", kafka(), "-t", topic]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as kcat:
        for line in kcat.stdout:
            event = json.loads(line, parse_float=Decimal)
            time = event["timestamp"]
            last = max(last, time)
            row = sums.setdefault((time[:16], event["event_type"], event["region"]), [0, 0, Decimal(0), Decimal(0)])
            row[0] += 1
            row[1] += event["duration_seconds"] or 0
            row[2] += event["data_mb"] or 0
            row[3] += event["amount"] or 0
    if kcat.returncode != 0 or not sums:
        raise RuntimeError(f"kcat ended with {kcat.returncode} and {len(sums)} groups of topic {topic}")
    rows = {
        Key(datetime.fromisoformat(minute), event_type, region): Row(*row)
        for (minute, event_type, region), row in sums.items()
    }
    return Expected(rows, datetime.fromisoformat(last.removesuffix("Z")))


def stored(url: str) -> dict[Key, Row]:
    """The rows of real_time_metrics. A key that occurs twice is an error: no engine may write one."""
    with connect(url) as session:
        rows = session.execute(
            "SELECT window_start, event_type, region, event_count, total_duration, total_data_mb, total_amount"
            " FROM real_time_metrics"
        ).fetchall()
    found = {Key(*row[:3]): Row(*row[3:]) for row in rows}
    if len(found) != len(rows):
        raise RuntimeError(f"{len(rows) - len(found)} rows of real_time_metrics have a key that occurs before")
    return found
