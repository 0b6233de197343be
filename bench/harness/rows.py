"""Rows of real_time_metrics, and how two sets of them differ."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple


class Key(NamedTuple):
    """A row's key; window_start is UTC without a zone."""

    window_start: datetime
    event_type: str
    region: str


class Row(NamedTuple):
    """A row's figures: events, seconds, MB, tenge."""

    events: int
    seconds: int
    data_mb: Decimal | float
    amount: Decimal | float


def compare(found: dict[Key, Row], wanted: dict[Key, Row]) -> dict[str, object]:
    """How the rows found differ from those wanted; `data_mb` and `amount` are compared as doubles, bit by bit."""
    wrong = data_differs = 0
    error_max = 0.0
    for key in found.keys() & wanted.keys():
        have, want = found[key], wanted[key]
        if (have.events, have.seconds, have.amount) != (want.events, want.seconds, float(want.amount)):
            wrong += 1
        elif have.data_mb != float(want.data_mb):
            data_differs += 1
            error_max = max(error_max, abs(have.data_mb - float(want.data_mb)))
    missing = wanted.keys() - found.keys()
    return {
        "rows": len(found),
        "rows_expected": len(wanted),
        "rows_missing": len(missing),
        "events_missing": sum(wanted[key].events for key in missing),
        "rows_unexpected": len(found.keys() - wanted.keys()),
        "rows_wrong": wrong,
        "rows_with_inexact_mb": data_differs,
        "mb_error_max": error_max,
        "equal": found.keys() == wanted.keys() and wrong == 0 and data_differs == 0,
    }
