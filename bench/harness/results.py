"""Raw results: a JSON file per measurement in bench/results, with the machine and the versions that made it.

{"measurement", "measured_at", "commit", "machine", "programs", "meanwhile", "versions", "parameters", "runs": [{…}, …]}; times
in seconds, memory in bytes. `programs` is cargo's profile that they were built with, `meanwhile` what else ran on the machine, as
BENCH_MEANWHILE says. Nothing is averaged here: medians are taken by the page.
"""

import json
import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from .places import REPOSITORY, RESULTS, program


def write(name: str, parameters: dict, runs: list[dict], versions: dict[str, str] | None = None) -> Path:
    """Writes bench/results/NAME.json in place of the one before."""
    own = {tool: first_line([program(tool), "--version"]) for tool in ("producer", "streamer", "batcher")}
    result = {
        "measurement": name,
        "measured_at": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%MZ"),
        "commit": commit(),
        "machine": machine(),
        "programs": Path(program("streamer")).parent.name,
        "meanwhile": os.environ.get("BENCH_MEANWHILE", ""),
        "versions": {**own, **(versions or {})},
        "parameters": parameters,
        "runs": runs,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"wrote {path.relative_to(REPOSITORY)}", flush=True)
    return path


def read(name: str) -> dict | None:
    """What was measured last; None: it never was."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def first_line(command: list[str]) -> str:
    """The first line that a command prints, on either output; "" if it can't be run."""
    try:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return next((line.strip() for line in ended.stdout.splitlines() if line.strip()), "")


def commit() -> str:
    """The commit of the programs, and whether the files differ from it."""
    head = first_line(["git", "-C", str(REPOSITORY), "rev-parse", "--short=12", "HEAD"])
    status = ["status", "--porcelain", "--untracked-files=no", "--", ":!bench", ":!docs"]
    changed = first_line(["git", "-C", str(REPOSITORY), *status])
    return head + (" with changes" if changed else "")


def machine() -> dict[str, object]:
    """What the figures depend on."""
    cpu = memory = ""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
    for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("MemTotal"):
            memory = f"{int(line.split()[1]) / 1024 / 1024:.0f} GiB"
    system = f"{platform.system()} {platform.release()}"
    return {"processor": cpu, "cores": os.cpu_count(), "memory": memory, "system": system}


def say(text: str) -> None:
    """A line about what is going on."""
    print(text, flush=True)
