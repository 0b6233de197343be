"""Runs one command and says what it and all its descendants cost: `cost_meter.py RESULT_FILE COMMAND…`

A process's CPU time is added to its parent's account when the parent waits for it. A descendant whose parent has
ended would be handed to init, and its time lost; so the cost_meter makes itself the one that orphans are handed to
(Linux: "child subreaper") and waits until none is left. SIGTERM and SIGINT are passed on to the command.

Out: RESULT_FILE with one JSON object: user_seconds, system_seconds (of all descendants, the cost_meter itself not among
them), wall_seconds (from the command's start to the end of the last), exit_code (of the command; negative: the signal
that ended it).
"""

import ctypes
import json
import os
import resource
import signal
import sys
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


def main(result_path: str, command: list[str]) -> None:
    """Returns when the last descendant has ended."""
    children: list[int] = []  # the command, as long as it runs
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: [os.kill(child, received) for child in children])
    kernel = ctypes.CDLL(None, use_errno=True)
    # Should whoever measures be killed, the command must not stay behind.
    kernel.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if kernel.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        sys.exit("cost_meter: this system has no child subreaper; Linux 3.4 or newer is needed")
    begin = time.monotonic()
    children.append(os.posix_spawnp(command[0], command, os.environ))
    exit_code = None
    while True:
        try:
            ended, status = os.wait()
        except ChildProcessError:
            break
        if ended in children:
            exit_code = os.waitstatus_to_exitcode(status)
            children.clear()
    wall_seconds = time.monotonic() - begin
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = {
        "user_seconds": usage.ru_utime, "system_seconds": usage.ru_stime, "wall_seconds": wall_seconds,
        "exit_code": exit_code,
    }
    with open(result_path, "w", encoding="utf-8") as file:
        json.dump(result, file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
