"""How a check is stated, proved and reported."""

from __future__ import annotations

import contextlib
import sys
import time
import traceback

# Bound of waits that end in seconds on a machine that is not busy.
LONGEST_WAIT_SECONDS = 120
POLL_SECONDS = 0.05


@contextlib.contextmanager
def check(text: str):
    """The block proves `text`, or raises; the next check goes on all the same."""
    try:
        yield
    except Exception:
        say(f"FAIL {text}\n{traceback.format_exc()}")
    else:
        say(f"PASS {text}")


def say(line: str) -> None:
    """Prints a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def equal(found: object, expected: object) -> None:
    """Fails with both values unless they are equal."""
    assert found == expected, f"\nfound    {found!r}\nexpected {expected!r}"


def wait_for(what: str, condition, explain=lambda: ""):
    """Asks `condition` until it says something true, and returns that."""
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while time.monotonic() < deadline:
        answer = condition()
        if answer:
            return answer
        time.sleep(POLL_SECONDS)
    raise AssertionError(f"waited {LONGEST_WAIT_SECONDS} s for {what}: {explain()}")
