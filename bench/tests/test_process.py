"""The accounting itself: a tree's cost is that of all its processes, whoever waited for them."""

import sys
import time
import unittest

from harness.process import Measured

BURN = "import time; end = time.process_time() + {seconds}\nwhile time.process_time() < end: pass"
# A child that burns and is waited for, and an orphan that nobody waits for: its parent ends at once.
TREE = """
import os, subprocess, sys
burn = {burn!r}
subprocess.run([sys.executable, "-S", "-c", burn], check=True)
if os.fork() == 0:
    os.setsid()
    subprocess.Popen([sys.executable, "-S", "-c", burn])
    os._exit(0)
sys.exit(3)
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


@unittest.skipUnless(sys.platform == "linux", "the harness reads /proc")
class Accounting(unittest.TestCase):
    def test_children_and_orphans_count(self):
        with Measured(python(TREE.format(burn=BURN.format(seconds=0.2)))) as measured:
            cost = measured.wait(30)
        self.assertEqual(cost.exit_code, 3, "the command's own exit code, not the orphan's")
        self.assertGreaterEqual(cost.cpu_seconds, 0.4)
        self.assertLess(cost.cpu_seconds, 1.5)

    def test_what_still_runs_counts_too(self):
        with Measured(python(BURN.format(seconds=0.2) + "\ntime.sleep(60)")) as measured:
            deadline = time.monotonic() + 30
            # User and system time are each cut to whole ticks.
            while measured.cpu_seconds() < 0.18 and time.monotonic() < deadline:
                time.sleep(0.02)
            seen = measured.cpu_seconds()
            cost = measured.stop()
        self.assertGreaterEqual(seen, 0.18)
        self.assertAlmostEqual(seen, cost.cpu_seconds, delta=0.1)
        self.assertEqual(cost.exit_code, -15)

    def test_the_peak_of_memory_is_that_of_the_tree(self):
        hold = "import time; block = bytearray(2**26); block[::4096] = bytes(2**14); time.sleep(0.5)"
        after_each_other = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {hold!r}])\n{hold}"
        at_once = (
            f"import subprocess, sys\ncode = {hold!r}\n"
            "children = [subprocess.Popen([sys.executable, '-S', '-c', code]) for _ in range(2)]\n"
            "[child.wait() for child in children]"
        )
        for code, holders in ((after_each_other, 1), (at_once, 2)):
            with self.subTest(holders=holders), Measured(python(code)) as measured:
                peak_mib = measured.wait(30).peak_rss_bytes / 1024 / 1024
                self.assertGreaterEqual(peak_mib, 64 * holders)
                self.assertLess(peak_mib, 64 * holders + 60)


if __name__ == "__main__":
    unittest.main()
