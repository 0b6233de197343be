"""Where things are: this repository, the programs under test, the peers' cache, the two servers.

`bench/run` sets what is read from the environment here; without it the modules that measure say so and end.
"""

import os
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
REPOSITORY = BENCH.parent
RESULTS = BENCH / "results"
PEERS = BENCH / "peers"


def required(name: str) -> str:
    """A variable that bench/run sets."""
    value = os.environ.get(name)
    if not value:
        sys.exit(f"{name} is not set: start this through bench/run, for example `make bench`")
    return value


def program(name: str) -> str:
    """The path of producer, streamer or batcher, release build."""
    return str(Path(required("BENCH_PROGRAMS")) / name)


def cache() -> Path:
    """Where bench/setup has put the peers."""
    return Path(required("BENCH_CACHE"))


def shown(command: list[str], folder: str = "/nonexistent") -> str:
    """A command as it stands in results: no folders of this machine, no addresses, no passwords.

    `folder`: the run's own.
    """
    replaced = {
        folder: "$WORK",
        required("BENCH_PROGRAMS") + "/": "",
        str(REPOSITORY) + "/": "",
        required("BENCH_CACHE"): "$CACHE",
        required("DATABASE_URL").rpartition("/")[0]: "$POSTGRES",
        required("KAFKA_BOOTSTRAP_SERVERS"): "$KAFKA",
    }
    text = " ".join(command)
    for machine, name in replaced.items():
        text = text.replace(machine, name)
    return text
