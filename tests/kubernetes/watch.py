"""Looks at every streamer pod all the time: flushes that failed, readiness that lies, and what the pods have logged.

In: a cluster. Out: `failed_flushes`, `lies`, `log_lines`. It asks by HTTP, as the kubelet does, and reads the logs' files while they
are there: a pod that was deleted has none.
"""

import pathlib
import re
import threading
import time
import urllib.error
import urllib.request

FAILED = re.compile(r"^streamer_flush_failed_attempts_total\{[^}]*\} ([0-9.e+]+)$", re.MULTILINE)
PAUSE_SECONDS = 0.5
# The kubelet asks every 5 s and believes the second answer: so long a pod may be called ready after it stopped being it.
BELIEVED_SECONDS = 15


class Watch:
    """A thread that looks until `stop`."""

    def __init__(self, cluster, folder):
        self.cluster, self.folder = cluster, folder
        self.failed_flushes, self.lies, self.log_lines, self.errors = {}, [], [], []
        self.looks = 0
        self._unready_since, self._files = {}, {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look_until_stopped, daemon=True)
        self._thread.start()

    def stop(self):
        self._stopped.set()
        self._thread.join()
        self._read_logs()
        assert not self.errors, self.errors[0]
        assert self.looks > 0, "it never looked at a pod"

    def _look_until_stopped(self):
        while not self._stopped.wait(PAUSE_SECONDS):
            try:
                self._read_logs()
                for pod in self.cluster.get("pods", "--namespace=telecom", "--selector=app.kubernetes.io/component=streamer")["items"]:
                    self._look_at(pod)
            except Exception as error:  # a thread's exception would be seen by nobody
                self.errors.append(error)
                return

    def _look_at(self, pod):
        name, address = pod["metadata"]["name"], pod["status"].get("podIP")
        if not address or "deletionTimestamp" in pod["metadata"]:
            self._unready_since.pop(name, None)
            return
        is_called_ready = any(
            condition["type"] == "Ready" and condition["status"] == "True" for condition in pod["status"].get("conditions", [])
        )
        is_ready = answer_of(address, "readyz") is not None
        if is_called_ready and not is_ready:
            since = self._unready_since.setdefault(name, time.monotonic())
            if time.monotonic() - since > BELIEVED_SECONDS:
                self.lies.append(name)
        else:
            self._unready_since.pop(name, None)
        metrics = answer_of(address, "metrics")
        if metrics is not None:
            self.looks += 1
            failed = sum(float(value) for value in FAILED.findall(metrics))
            self.failed_flushes[name] = max(failed, self.failed_flushes.get(name, 0))

    def _read_logs(self):
        for path in pathlib.Path(self.folder).glob("node-*/pods/telecom_*/*/*.log"):
            if path not in self._files:
                try:
                    self._files[path] = path.open()
                except FileNotFoundError:
                    continue
        for path, file in self._files.items():
            # Without the time, the stream and the flag that containerd writes before each line.
            self.log_lines += [(path.parent.parent.name, line.split(" ", 3)[-1].strip()) for line in file]


def answer_of(address, path):
    """What a pod says; None for a no, or no answer."""
    try:
        with urllib.request.urlopen(f"http://{address}:9464/{path}", timeout=2) as answer:
            return answer.read().decode()
    except (OSError, urllib.error.URLError):
        return None
