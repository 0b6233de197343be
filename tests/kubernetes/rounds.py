"""What a cluster does to pods, each followed by a look whether counting went on.

In: a cluster with the chart, a database, a load that is under way. Out: nothing; a step that is not as it should be raises.
"""

import json
import pathlib
import subprocess
import sys
import time

from cluster import WORK, group_of, run, wait_until
from load import KAFKA, PARTITIONS, PROGRAMS

REPLICAS = 3
DEPLOYMENT = "deployment/telecom-streamer"
# What a streamer says that is too old for the schema.
TOO_OLD = "on which a program this old can't run"
# Helm forgets all but ten revisions, so after three rounds the first one, which is rolled back to.
KEEP_HISTORY = "--history-max=0"
# Joins a control group and takes more memory than that may have. The kernel prefers the streamer, whose score is higher.
EATER = """
import os, sys
open(sys.argv[1] + "/cgroup.procs", "w").write(str(os.getpid()))
open("/proc/self/oom_score_adj", "w").write("0")
taken = [b"x" * (1 << 20) for _ in range(400)]
"""


class Rounds:
    """The steps, and what they share."""

    def __init__(self, cluster, database, load, chart, first_tag):
        self.cluster, self.database, self.load, self.chart = cluster, database, load, chart
        self.first_tag = self.tag = first_tag
        self.password = "first"
        self.rotations = 0
        self.watch = None

    def play(self, say):
        """One round."""
        steps = [self.scale, self.restart, self.delete_by_force, self.drain, self.kill_for_memory, self.rotate_secret]
        if self.tag == "old":
            steps.append(self.upgrade)
        if self.first_tag == "old":
            steps.append(self.roll_back)
        for step in steps:
            begun = time.monotonic()
            step()
            assert self.load.is_under_way(), "the load ended before the round: raise KUBERNETES_ROUND_SECONDS"
            self.counts_on()
            say(f"  {step.__name__.replace('_', ' ')}: {time.monotonic() - begun:.1f} s")

    def helm(self, verb, tag, *more, more_values=None, check=True, seconds=60):
        """Installs or upgrades, with the trial's values and those of `more_values`, and waits until all pods are ready."""
        self.tag = tag
        values = {
            "image": {"tag": tag, "pullPolicy": "Never"},
            "kafka": {"bootstrapServers": KAFKA, "partitions": PARTITIONS},
            "database": {"existingSecret": "telecom-streamer"},
            "migrate": {"existingSecret": "telecom-owner"},
            "streamer": {"replicas": REPLICAS, "flushInterval": "1s", "resources": {"requests": {"cpu": "10m"}}},
            # Whatever hour it is when this runs.
            "batcher": {"existingSecret": "telecom-owner", "suspend": True},
            "log": {"format": "text"},
        }
        path, more_path = WORK / "values.json", WORK / "more-values.json"
        history = [KEEP_HISTORY] if verb == "upgrade" else []
        path.write_text(json.dumps(values))
        more_path.write_text(json.dumps(more_values or {}))
        return self.cluster.helm(
            verb, "telecom", self.chart, "--namespace=telecom", f"--values={path}", f"--values={more_path}", "--wait", f"--timeout={seconds}s", *history, *more, check=check)

    def exec(self, *command):
        return self.kubectl("exec", DEPLOYMENT, "--", "/usr/local/bin/streamer", *command)

    def kubectl(self, *arguments, check=True, text_input=None):
        return self.cluster.kubectl("--namespace=telecom", *arguments, check=check, text_input=text_input)

    def pods(self):
        """Streamer pods that are not on their way out."""
        listed = self.cluster.get("pods", "--namespace=telecom", "--selector=app.kubernetes.io/component=streamer")["items"]
        return [pod for pod in listed if "deletionTimestamp" not in pod["metadata"]]

    def settle(self):
        """Waits until all pods are there and ready."""
        self.kubectl("rollout", "status", DEPLOYMENT, "--timeout=90s")

    def counts_on(self):
        """Every partition moves on: a pod that is ready and does nothing would be found."""
        query = "SELECT partition, next_offset FROM current_progress"
        before = dict(self.database.run(query))

        def all_have_moved():
            now = dict(self.database.run(query))
            return len(now) == PARTITIONS and all(position > before.get(partition, -1) for partition, position in now.items())

        wait_until("every partition is counted on", all_have_moved, seconds=60)

    def scale(self):
        for replicas in (1, PARTITIONS, 1, REPLICAS):
            self.kubectl("scale", DEPLOYMENT, f"--replicas={replicas}")
            self.settle()
            wait_until(f"{replicas} pods", lambda: len(self.pods()) == replicas)
            self.counts_on()

    def restart(self):
        self.kubectl("rollout", "restart", DEPLOYMENT)
        self.settle()

    def delete_by_force(self):
        name = self.pods()[0]["metadata"]["name"]
        self.kubectl("delete", "pod", name, "--grace-period=0", "--force")
        wait_until("another pod", lambda: len(self.pods()) == REPLICAS and all(pod["metadata"]["name"] != name for pod in self.pods()))
        self.settle()

    def drain(self):
        node = self.pods()[0]["spec"]["nodeName"]
        self.cluster.kubectl("drain", node, "--ignore-daemonsets", "--timeout=120s")
        assert all(pod["spec"]["nodeName"] != node for pod in self.pods()), f"{node} still has pods"
        self.settle()
        self.cluster.kubectl("uncordon", node)

    def kill_for_memory(self):
        """The kernel kills a streamer because its pod asks for more memory than it may have."""
        pod = self.pods()[0]
        name, status = pod["metadata"]["name"], pod["status"]["containerStatuses"][0]
        root = pathlib.Path("/sys/fs/cgroup/memory") / group_of(pod["spec"]["nodeName"])
        group = next(root.rglob(status["containerID"].split("//")[1]))

        def was_killed():
            now = self.cluster.get("pod", name, "--namespace=telecom")["status"]["containerStatuses"][0]
            ended = now["lastState"].get("terminated") or now["state"].get("terminated") or {}
            return ended.get("reason") == "OOMKilled" and now["restartCount"] > status["restartCount"]

        with subprocess.Popen([sys.executable, "-c", EATER, str(group)]) as eater:
            try:
                wait_until("the kernel kills a streamer for its memory", was_killed)
            finally:
                eater.kill()
        self.settle()

    def rotate_secret(self):
        """A wrong one never becomes ready and disturbs nobody; the right one replaces the pods."""
        self.rotations += 1
        self._put_secret(f"wrong-{self.rotations}")
        failed = self.helm("upgrade", self.tag, check=False, seconds=15)
        assert failed.returncode != 0, "an upgrade to a password that PostgreSQL refuses was called a success"
        self.counts_on()
        before = {pod["metadata"]["name"] for pod in self.pods()}
        self.password = f"password-{self.rotations}"
        self.database.run(f"ALTER ROLE streamers PASSWORD '{self.password}'")
        self._put_secret(self.password)
        self.helm("upgrade", self.tag)
        wait_until("all pods are new ones", lambda: not before & {pod["metadata"]["name"] for pod in self.pods()})

    def _put_secret(self, password):
        url = self.database.url_of("streamers", password)
        manifest = self.kubectl("create", "secret", "generic", "telecom-streamer", f"--from-literal=DATABASE_URL={url}", "--dry-run=client", "--output=json")
        self.kubectl("apply", "--filename=-", text_input=manifest)

    def upgrade(self):
        """The new version migrates; old pods that restart in between count on, or are refused with a sentence."""
        run(PROGRAMS / "streamer", "migrate")
        names = {pod["metadata"]["name"] for pod in self.pods()}
        name = names.pop()
        self.kubectl("delete", "pod", name, "--grace-period=0", "--force")
        wait_until("an old pod that restarts on the new schema is ready, or says that it is too old",
                   lambda: self._are_ready(names) or self.said_too_old())
        self.counts_on()
        self.helm("upgrade", "new")
        assert {pod["spec"]["containers"][0]["image"] for pod in self.pods()} == {"telecom/streamer:new"}

    def roll_back(self):
        """The old version starts on the newer schema, or is refused with a sentence while the new one counts on."""
        done = self.cluster.helm("rollback", "telecom", "1", "--namespace=telecom", "--wait", "--timeout=40s", KEEP_HISTORY, check=False)
        assert done.returncode == 0 or self.said_too_old(), f"the rollback failed without the sentence:\n{done.stderr}"
        self.counts_on()
        self.helm("upgrade", "new")

    def said_too_old(self):
        return any(TOO_OLD in line for _, line in self.watch.log_lines)

    def _are_ready(self, but):
        """Whether there are as many pods as there should be, and those are ready that are not among `but`."""
        pods = self.pods()
        new = [pod for pod in pods if pod["metadata"]["name"] not in but]
        conditions = [condition for pod in new for condition in pod["status"].get("conditions", []) if condition["type"] == "Ready"]
        return len(pods) == REPLICAS and bool(new) and len(conditions) == len(new) and all(condition["status"] == "True" for condition in conditions)
