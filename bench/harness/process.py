"""A command whose whole process tree is measured: CPU, memory, wall time.

In: a command. Out: a [`Measured`], and when it has ended its [`Cost`]. CPU is what the kernel charged: of
processes that have ended through `cost_meter.py`, of those that still run through /proc. Memory is looked at ten times
a second: the sum of the resident sets of all processes of the tree, so a page that two of them share counts twice.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

COST_METER = Path(__file__).with_name("cost_meter.py")
SAMPLE_EVERY_SECONDS = 0.1
STOP_GRACE_SECONDS = 30
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGESIZE")


@dataclass(frozen=True)
class Cost:
    """What a process tree cost from its start to its end."""

    user_seconds: float
    system_seconds: float
    wall_seconds: float
    peak_rss_bytes: int
    exit_code: int

    @property
    def cpu_seconds(self) -> float:
        """User and system."""
        return self.user_seconds + self.system_seconds


class Measured:
    """A running command. `with` ends it, whichever way the block is left."""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None, log: str | None = None):
        """Starts it; `log`: the file for its standard output and error (none: both are thrown away)."""
        handle, self._result_path = tempfile.mkstemp(prefix="bench-cost-")
        os.close(handle)
        output = open(log, "ab") if log else subprocess.DEVNULL
        self.started = time.monotonic()
        self._meter = subprocess.Popen(
            [sys.executable, "-S", "-E", str(COST_METER), self._result_path, *command],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env={**os.environ, **(environment or {})},
        )
        if log:
            output.close()
        self._peak_rss_bytes = 0
        self._ended = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()

    def __enter__(self) -> "Measured":
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._meter.poll() is None:
            self.stop()

    @property
    def pid(self) -> int:
        """The cost_meter's: the command and all that it starts are below it."""
        return self._meter.pid

    def is_running(self) -> bool:
        """Whether any process of the tree is left."""
        return self._meter.poll() is None

    def cpu_seconds(self) -> float:
        """User and system so far, of processes that run and that have ended; resolution 10 ms each."""
        processes = table()
        ended = processes.get(self._meter.pid)
        ticks = ended.children_ticks if ended else 0
        for pid in descendants(self._meter.pid, processes):
            ticks += processes[pid].own_ticks + processes[pid].children_ticks
        return ticks / TICKS_PER_SECOND

    def rss_bytes(self) -> int:
        """Resident memory of the tree now."""
        processes = table()
        return sum(processes[pid].rss_bytes for pid in descendants(self._meter.pid, processes))

    def elapsed_seconds(self) -> float:
        """Since the start; up to 50 ms more than the command itself has run."""
        return time.monotonic() - self.started

    def wait(self, timeout_seconds: float | None = None) -> Cost:
        """Waits for the end of the tree; `subprocess.TimeoutExpired` if that takes longer."""
        self._meter.wait(timeout_seconds)
        self._ended.set()
        self._sampler.join()
        text = Path(self._result_path).read_text(encoding="utf-8")
        os.unlink(self._result_path)
        if not text:
            raise RuntimeError("the cost_meter of a measured command was killed: its cost is unknown")
        return Cost(**json.loads(text), peak_rss_bytes=self._peak_rss_bytes)

    def stop(self) -> Cost:
        """SIGTERM to the command, and after `STOP_GRACE_SECONDS` SIGKILL to all that is left of the tree."""
        self._meter.send_signal(signal.SIGTERM)
        try:
            return self.wait(STOP_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            for pid in descendants(self._meter.pid, table()):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            return self.wait(STOP_GRACE_SECONDS)

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_EVERY_SECONDS):
            self._peak_rss_bytes = max(self._peak_rss_bytes, self.rss_bytes())


@dataclass(frozen=True)
class Process:
    """A line of /proc/PID/stat: ticks of CPU of its own, ticks of children that it has waited for."""

    parent: int
    own_ticks: int
    children_ticks: int
    rss_bytes: int


def table() -> dict[int, Process]:
    """All processes of the machine by number."""
    processes = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                line = file.read()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended since
        # The program's name stands in parentheses and may hold blanks and parentheses itself.
        fields = line.rpartition(")")[2].split()
        processes[int(name)] = Process(
            parent=int(fields[1]), own_ticks=int(fields[11]) + int(fields[12]),
            children_ticks=int(fields[13]) + int(fields[14]), rss_bytes=int(fields[21]) * PAGE_BYTES,
        )
    return processes


def descendants(root: int, processes: dict[int, Process]) -> list[int]:
    """Children of `root`, their children, and so on; `root` itself not."""
    children: dict[int, list[int]] = {}
    for pid, process in processes.items():
        children.setdefault(process.parent, []).append(pid)
    found, pending = [], [root]
    while pending:
        for child in children.get(pending.pop(), []):
            found.append(child)
            pending.append(child)
    return found
