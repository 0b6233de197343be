"""How far the streamer has stored: a position becomes visible in the transaction that makes the rows visible."""

import time

import psycopg

QUERY = "SELECT partition, next_offset FROM stream_progress WHERE topic = %s AND retired_at IS NULL"


def stored(session: psycopg.Connection, topic: str) -> dict[int, int]:
    """The next offset to read, by partition."""
    return dict(session.execute(QUERY, (topic,)).fetchall())


def wait_for(
    session: psycopg.Connection, topic: str, records: int, every_seconds: float, timeout_seconds: float
) -> float:
    """Waits until so many records are stored over all partitions; the moment (monotonic) at which that was seen.

    `TimeoutError` if it takes longer.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        found = sum(stored(session, topic).values())
        now = time.monotonic()
        if found >= records:
            return now
        if now > deadline:
            raise TimeoutError(f"{found} of {records} records of {topic} were stored after {timeout_seconds} s")
        time.sleep(every_seconds)
