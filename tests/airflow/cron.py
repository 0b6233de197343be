"""The checks about the cron script in docs/scheduling.md, which is run as it stands there.

In: `sandbox run`, BINARIES. Out: PASS and FAIL lines. A stand-in for `sleep` does not wait, and can make
the day complete meanwhile.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import pathlib
import subprocess
import sys
import tempfile

from checks import create_database
from installation import REPOSITORY
from pipeline import EVENTS_OF_A_DAY, Pipeline, midnight

ONE_DAY = datetime.timedelta(days=1)


def script() -> str:
    """The first shell script of the page's section."""
    page = (REPOSITORY / "docs" / "scheduling.md").read_text()
    return page.split("\n## Cron\n")[1].split("```sh\n")[1].split("```")[0]


def run_script(folder: pathlib.Path, binaries: pathlib.Path, url: str) -> tuple[int, int]:
    """Runs it; its exit code, and how often it paused."""
    pauses = folder / "pauses"
    pauses.write_text("")
    sleep = folder / "sleep"
    sleep.write_text(f'#!/bin/sh\necho "$1" >>{pauses}\n')
    sleep.chmod(0o755)
    environment = {"PATH": f"{folder}:{binaries}:{os.environ['PATH']}", "DATABASE_URL": url}
    done = subprocess.run(["sh", "-c", script()], env=environment, capture_output=True, timeout=60)
    assert set(pauses.read_text().split()) <= {"300"}, pauses.read_text()
    return done.returncode, len(pauses.read_text().split())


def main() -> None:
    """All states of the pipeline that the script can meet."""
    binaries = pathlib.Path(os.environ["BINARIES"]).resolve()
    pipeline = Pipeline(
        create_database(os.environ["SANDBOX_POSTGRES"], "cron"), str(binaries / "streamer")
    )
    yesterday = datetime.datetime.now(datetime.timezone.utc).date() - ONE_DAY
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(pipeline):

        def check(check: str, expected: tuple[int, int], events: int) -> None:
            result = run_script(pathlib.Path(folder), binaries, pipeline.url)
            found = (*result, pipeline.events(yesterday))
            good = found == (*expected, events)
            sys.stdout.write(
                f"{'PASS' if good else 'FAIL'} cron: {check}{'' if good else f': {found}'}\n"
            )

        pipeline.read_until(midnight(yesterday))
        check("an incomplete day: 75 after two pauses of 5 minutes, nothing computed", (75, 2), 0)
        pipeline.read_until(midnight(yesterday + 2 * ONE_DAY))
        check("a new system, where nothing was ever counted: 99 at once", (99, 0), 0)
        pipeline.add_windows(yesterday - ONE_DAY)
        check("no data of that day: 4 at once", (4, 0), 0)
        pipeline.add_windows(yesterday)
        check("with data: 0, the day is computed and valid", (0, 0), EVENTS_OF_A_DAY)


if __name__ == "__main__":
    main()
