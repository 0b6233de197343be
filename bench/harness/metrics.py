"""The streamer's own metrics, read over HTTP."""

import socket
import time
import urllib.error
import urllib.request

SERVED_SECONDS_MAX = 30


def free_address() -> str:
    """HOST:PORT on loopback where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


def read(address: str) -> dict[str, float]:
    """Each metric's value, summed over its labels."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    values: dict[str, float] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            name = name.partition("{")[0]
            values[name] = values.get(name, 0.0) + float(value)
    return values


def wait_until_served(address: str) -> None:
    """Returns when a worker has a partition; `TimeoutError` after `SERVED_SECONDS_MAX`."""
    deadline = time.monotonic() + SERVED_SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            if read(address).get("streamer_partitions_read", 0) > 0:
                return
        except (urllib.error.URLError, ConnectionError):
            pass  # not yet
        time.sleep(0.05)
    raise TimeoutError(f"http://{address}/metrics shows no partition that is read after {SERVED_SECONDS_MAX} s")
