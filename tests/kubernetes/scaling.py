"""Whether the number of streamers follows the lag, up and down, by a HorizontalPodAutoscaler and live metrics.

In: a cluster with the chart, a database in which everything is counted. Out: nothing; what is not as it should be raises. A real
Prometheus scrapes the pods and evaluates deploy/prometheus/rules.yml. What prometheus-adapter is elsewhere, which answers the
autoscaler out of Prometheus, is `Adapter` here: one metric, by the same interface of Kubernetes.
"""

import datetime
import http.server
import json
import os
import pathlib
import ssl
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

from cluster import HOST, WORK, wait_until
from load import KAFKA, PROGRAMS, TOPIC

PROMETHEUS = pathlib.Path(os.environ["PROMETHEUS_TOOLS"]) / "prometheus"
RULES = pathlib.Path(__file__).resolve().parent.parent.parent / "deploy/prometheus/rules.yml"
TARGETS = WORK / "pods.json"
PROMETHEUS_PORT, ADAPTER_PORT = 9090, 6444
METRIC, QUERY = "telecom_scaling_pressure", "max(pipeline:scaling_pressure:ratio)"
GROUP = "external.metrics.k8s.io/v1beta1"
MOST = 3
BACKLOG = 6_000_000
# Many events a minute, so that reading them is what takes long, and not the database.
SCENARIO = """
extends = "kazakhstan"
subscribers = 50_000
base_rate = 100
"""
# A streamer that may use so little can't keep up with the backlog, and three can.
VALUES = {
    "streamer": {"flushInterval": "5s", "resources": {"limits": {"cpu": "30m"}}},
    "autoscaling": {"mode": "hpa", "minReplicas": 1, "maxReplicas": MOST, "scaleUpPeriodSeconds": 15, "scaleDownPeriodSeconds": 15},
}


class Scaling:
    """The trial, and what it needs beside the chart."""

    def __init__(self, cluster, database, rounds):
        self.cluster, self.database, self.rounds = cluster, database, rounds

    def play(self, say):
        self._start_prometheus()
        adapter = Adapter()
        self._register_adapter()
        before = self.database.counted()
        self.rounds.helm("upgrade", self.rounds.tag, more_values=VALUES)
        # Nobody reads while the backlog is made; without any pod the autoscaler waits.
        self.rounds.kubectl("scale", "deployment/telecom-streamer", "--replicas=0")
        wait_until("no pod", lambda: not self.rounds.pods())
        self._send_backlog()
        self.rounds.kubectl("scale", "deployment/telecom-streamer", "--replicas=1")
        seen = []

        def is_counted():
            self._note_replicas(seen, say)
            return self.database.counted() >= before + BACKLOG

        wait_until("the backlog is counted", is_counted, seconds=600, pause=1)
        assert max(seen) == MOST, f"the lag asked for {MOST} pods; there were {seen}; the adapter's last answer was {adapter.answered}"
        assert self.database.counted() == before + BACKLOG, "counted more than was sent"

        def is_one_again():
            self._note_replicas(seen, say)
            return seen[-1] == 1

        wait_until("one pod again", is_one_again, seconds=300, pause=1)
        adapter.stop()
        say(f"scaled by lag: {' → '.join(map(str, seen))} pods for a backlog of {BACKLOG} events, each counted once")

    def _note_replicas(self, seen, say):
        self._note_pods()
        replicas = self.cluster.get("deployment/telecom-streamer", "--namespace=telecom")["spec"]["replicas"]
        if not seen or seen[-1] != replicas:
            seen.append(replicas)
            say(f"  the autoscaler wants {replicas}")

    def _send_backlog(self):
        scenario = WORK / "backlog.toml"
        scenario.write_text(SCENARIO)
        command = [
            PROGRAMS / "producer", "--kafka-bootstrap-servers", KAFKA, "--kafka-topic", TOPIC, "--scenario", scenario, "--seed", 8,
            "--from", "2025-11-17T00:00:00Z", "--to", "2025-11-27T00:00:00Z", "--count", BACKLOG,
        ]
        done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]

    def _start_prometheus(self):
        """Scrapes the pods as a PodMonitor would have it done, only more often. Debian's Prometheus does not ask Kubernetes for pods:
        it reads of them in a file."""
        config = {
            "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "2s"},
            "rule_files": [str(RULES)],
            "scrape_configs": [{"job_name": "streamer", "file_sd_configs": [{"files": [str(TARGETS)]}]}],
        }
        path = WORK / "prometheus.json"
        path.write_text(json.dumps(config))
        self._note_pods()
        self.cluster.spawn(
            "prometheus", PROMETHEUS, f"--config.file={path}", f"--storage.tsdb.path={WORK}/prometheus",
            f"--web.listen-address=127.0.0.1:{PROMETHEUS_PORT}",
        )
        wait_until("Prometheus has a value", lambda: value_of("pipeline:lag_seconds:max") is not None)

    def _note_pods(self):
        pods = [(pod["metadata"]["name"], pod["status"].get("podIP")) for pod in self.rounds.pods()]
        targets = [{"targets": [f"{address}:9464"], "labels": {"instance": name}} for name, address in pods if address]
        # At once: Prometheus must not see half a file.
        new = TARGETS.with_suffix(".new")
        new.write_text(json.dumps(targets))
        new.rename(TARGETS)

    def _register_adapter(self):
        """Tells Kubernetes who answers for external metrics: a Service whose only address is this host."""
        namespace = {"namespace": "metrics", "name": "adapter"}
        objects = [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "metrics"}},
            {"apiVersion": "v1", "kind": "Service", "metadata": namespace, "spec": {"ports": [{"port": 443, "targetPort": ADAPTER_PORT}]}},
            {
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                "metadata": namespace | {"labels": {"kubernetes.io/service-name": "adapter"}},
                "endpoints": [{"addresses": [HOST], "conditions": {"ready": True}}], "ports": [{"port": ADAPTER_PORT, "protocol": "TCP"}],
            },
            {
                "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1beta1.external.metrics.k8s.io"},
                "spec": {
                    "group": "external.metrics.k8s.io", "version": "v1beta1", "service": namespace, "insecureSkipTLSVerify": True,
                    "groupPriorityMinimum": 100, "versionPriority": 100,
                },
            },
        ]
        for manifest in objects:
            self.cluster.kubectl("apply", "--filename=-", text_input=json.dumps(manifest))
        self.cluster.kubectl("wait", "--for=condition=Available", "--timeout=60s", "apiservice/v1beta1.external.metrics.k8s.io")


class Adapter:
    """Answers Kubernetes for external metrics, out of Prometheus. No value is no item: then the autoscaler changes nothing."""

    def __init__(self):
        self.answered = None
        adapter = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path = urllib.parse.urlsplit(self.path).path
                answer = adapter.answer_to(path)
                body = json.dumps(answer or {}).encode()
                self.send_response(200 if answer else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer((HOST, ADAPTER_PORT), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(WORK / "keys/server.pem", WORK / "keys/server.key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()

    def answer_to(self, path):
        if path == f"/apis/{GROUP}":
            resource = {"name": METRIC, "singularName": "", "namespaced": True, "kind": "ExternalMetricValueList", "verbs": ["get"]}
            return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": GROUP, "resources": [resource]}
        if not path.startswith(f"/apis/{GROUP}/namespaces/") or not path.endswith(f"/{METRIC}"):
            return None
        items = []
        value = value_of(QUERY)
        if value is not None:
            now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            items.append({"metricName": METRIC, "metricLabels": {}, "timestamp": now, "value": f"{round(value * 1000)}m"})
            self.answered = value
        return {"kind": "ExternalMetricValueList", "apiVersion": GROUP, "metadata": {}, "items": items}


def value_of(query):
    """What Prometheus answers; None without a value, and while it starts."""
    url = f"http://127.0.0.1:{PROMETHEUS_PORT}/api/v1/query?" + urllib.parse.urlencode({"query": query})
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            result = json.load(answer)["data"]["result"]
    except urllib.error.URLError:
        return None
    return float(result[0]["value"][1]) if result else None
