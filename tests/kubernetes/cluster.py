"""A Kubernetes of two nodes on one machine: etcd, the control plane, and for each node a containerd and a kubelet.

In: the folders of the tools (KUBERNETES_TOOLS, HELM_TOOLS) and a folder to work in (WORK). Out: `kubectl` and `helm` that
work. It runs inside network, mount and process namespaces that tests/kubernetes/run has made: whatever is left ends with them.
"""

import json
import os
import pathlib
import subprocess
import time

TOOLS = pathlib.Path(os.environ["KUBERNETES_TOOLS"])
HELM = pathlib.Path(os.environ["HELM_TOOLS"]) / "helm"
WORK = pathlib.Path(os.environ["WORK"])
HOST = os.environ["SANDBOX_HOST"]
SERVER = f"https://{HOST}:6443"
NODES = {"one": "10.244.0.1", "two": "10.244.0.2"}
START_SECONDS = 120
PAUSE_IMAGE = "docker.io/telecom/pause:local"


def wait_until(what, condition, seconds=START_SECONDS, pause=0.2):
    """Returns what `condition` returns once that is true; fails, naming `what`, if it never is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = condition()
        if answer:
            return answer
        time.sleep(pause)
    raise AssertionError(f"waited {seconds} s in vain: {what}")


def run(*command, check=True, text_input=None, **variables):
    """Runs a command, and returns what it printed."""
    done = subprocess.run(
        [str(part) for part in command], env=os.environ | variables, input=text_input,
        stdin=None if text_input is not None else subprocess.DEVNULL, capture_output=True, text=True,
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done if not check else done.stdout


class Cluster:
    """Everything that runs, and how it is asked."""

    def __init__(self):
        self.processes = []
        self.kubeconfig = WORK / "admin.kubeconfig"

    def start(self):
        make_certificates()
        for name, subject in (("admin", "admin"), *((node, f"system:node:{node}") for node in NODES)):
            write_kubeconfig(WORK / f"{name}.kubeconfig", name, subject)
        self._start_control_plane()
        for node, address in NODES.items():
            self._start_node(node, address)
        wait_until("both nodes are ready", self._nodes_are_ready)

    def spawn(self, name, *command, **variables):
        with open(WORK / f"{name}.log", "a") as log:
            process = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=os.environ | {"PATH": f"{TOOLS}:{os.environ['PATH']}"} | variables,
            )
        self.processes.append((name, process))
        return process

    def kubectl(self, *arguments, check=True, text_input=None):
        return run(TOOLS / "kubectl", f"--kubeconfig={self.kubeconfig}", *arguments, check=check, text_input=text_input)

    def get(self, *arguments):
        return json.loads(self.kubectl("get", "--output=json", *arguments))

    def helm(self, *arguments, check=True):
        folders = {f"HELM_{kind}_HOME": str(WORK / "helm") for kind in ("CACHE", "CONFIG", "DATA")}
        return run(HELM, *arguments, check=check, KUBECONFIG=str(self.kubeconfig), **folders)

    def load_image(self, archive):
        for node in NODES:
            run(TOOLS / "ctr", "--address", socket_of(node), "--namespace", "k8s.io", "images", "import", archive)

    def fallen(self):
        """Names of parts that have ended by themselves."""
        return [name for name, process in self.processes if process.poll() is not None]

    def stop(self):
        # Pods are gone by then; those that are not end with the process namespace.
        for _, process in reversed(self.processes):
            process.terminate()
        for _, process in self.processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()

    def _start_control_plane(self):
        etcd = "http://127.0.0.1:2379"
        self.spawn(
            "etcd", TOOLS / "etcd", f"--data-dir={WORK}/etcd", f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}",
            "--listen-peer-urls=http://127.0.0.1:2380", "--unsafe-no-fsync", "--log-level=warn",
        )
        keys = WORK / "keys"
        self.spawn(
            "kube-apiserver", TOOLS / "kube-apiserver", f"--etcd-servers={etcd}", f"--bind-address={HOST}", f"--advertise-address={HOST}",
            "--secure-port=6443", "--kubelet-preferred-address-types=InternalIP", "--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=Node,RBAC",
            f"--client-ca-file={keys}/authority.pem", f"--tls-cert-file={keys}/server.pem", f"--tls-private-key-file={keys}/server.key",
            f"--kubelet-client-certificate={keys}/admin.pem", f"--kubelet-client-key={keys}/admin.key",
            "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={keys}/accounts.pub",
            f"--service-account-signing-key-file={keys}/accounts.key",
            # For programs outside of the cluster that answer a part of its interface, such as metrics.
            "--enable-aggregator-routing=true", f"--requestheader-client-ca-file={keys}/authority.pem",
            f"--proxy-client-cert-file={keys}/admin.pem", f"--proxy-client-key-file={keys}/admin.key",
            "--requestheader-allowed-names=admin", "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        )
        wait_until("the API server is ready", lambda: self.kubectl("get", "--raw=/readyz", check=False).returncode == 0)
        self.spawn(
            "kube-controller-manager", TOOLS / "kube-controller-manager", f"--kubeconfig={self.kubeconfig}", "--leader-elect=false",
            f"--service-account-private-key-file={keys}/accounts.key", f"--root-ca-file={keys}/authority.pem",
            "--horizontal-pod-autoscaler-sync-period=5s", "--secure-port=0",
        )
        self.spawn(
            "kube-scheduler", TOOLS / "kube-scheduler", f"--kubeconfig={self.kubeconfig}", "--leader-elect=false", "--secure-port=0",
        )

    def _start_node(self, node, address):
        folder = WORK / f"node-{node}"
        for name in ("cni", "pods", "kubelet", "containerd", "state"):
            (folder / name).mkdir(parents=True)
        (folder / "cni/pods.conflist").write_text(json.dumps(network_of(node, folder)))
        (folder / "containerd.toml").write_text(containerd_config(node, folder))
        (folder / "kubelet.json").write_text(json.dumps(kubelet_config(node, address, folder)))
        make_control_groups(group_of(node))
        self.spawn(f"containerd-{node}", TOOLS / "containerd", "--config", folder / "containerd.toml")
        wait_until(
            f"containerd of {node} answers",
            lambda: run(TOOLS / "ctr", "--address", socket_of(node), "version", check=False).returncode == 0,
        )
        run(TOOLS / "ctr", "--address", socket_of(node), "--namespace", "k8s.io", "images", "import", WORK / "pause.tar")
        self.spawn(
            f"kubelet-{node}", TOOLS / "kubelet", f"--config={folder}/kubelet.json", f"--kubeconfig={WORK}/{node}.kubeconfig",
            f"--hostname-override={node}", f"--node-ip={address}", f"--root-dir={folder}/kubelet", f"--cert-dir={folder}/kubelet/pki",
        )

    def _nodes_are_ready(self):
        assert not self.fallen(), f"ended by themselves: {self.fallen()}; see {WORK}"
        ready = [
            condition
            for node in self.get("nodes")["items"] for condition in node["status"]["conditions"]
            if condition["type"] == "Ready" and condition["status"] == "True"
        ]
        return len(ready) == len(NODES)


def socket_of(node):
    return WORK / f"node-{node}/containerd.sock"


def group_of(node):
    return f"{WORK.name}-{node}"


def make_control_groups(name):
    """The kubelet wants its root to be there, in every hierarchy."""
    for hierarchy in pathlib.Path("/sys/fs/cgroup").iterdir():
        if not hierarchy.is_dir() or hierarchy.is_symlink() or hierarchy.name == "unified":
            continue
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        for file in ("cpuset.cpus", "cpuset.mems"):
            if (group / file).exists():
                (group / file).write_text((hierarchy / file).read_text())


def network_of(node, folder):
    """Pods of both nodes hang on one bridge, which has Kafka and PostgreSQL at its own address."""
    third = list(NODES).index(node) + 1
    addresses = {"subnet": "10.244.0.0/16", "rangeStart": f"10.244.{third}.10", "rangeEnd": f"10.244.{third}.250", "gateway": HOST}
    ipam = {"type": "host-local", "dataDir": str(folder / "addresses"), "ranges": [[addresses]], "routes": [{"dst": "0.0.0.0/0"}]}
    return {"cniVersion": "1.0.0", "name": f"pods-{node}", "plugins": [{"type": "bridge", "bridge": "cni0", "ipMasq": False, "ipam": ipam}]}


def containerd_config(node, folder):
    return f"""
version = 2
root = "{folder}/containerd"
state = "{folder}/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt"]
[grpc]
address = "{socket_of(node)}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true
stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{TOOLS}/debian/usr/lib/cni"
conf_dir = "{folder}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
BinaryName = "{TOOLS}/runc"
"""


def kubelet_config(node, address, folder):
    return {
        "kind": "KubeletConfiguration", "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "address": address, "healthzPort": 0, "readOnlyPort": 0,
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": False}, "x509": {"clientCAFile": f"{WORK}/keys/authority.pem"}},
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": f"unix://{socket_of(node)}",
        "cgroupDriver": "cgroupfs", "cgroupRoot": f"/{group_of(node)}", "enforceNodeAllocatable": ["none"], "failSwapOn": False,
        "makeIPTablesUtilChains": False, "podLogsDir": str(folder / "pods"), "resolvConf": "",
        "evictionHard": {"memory.available": "1Mi", "nodefs.available": "0%", "imagefs.available": "0%", "nodefs.inodesFree": "0%"},
        "imageGCHighThresholdPercent": 100,
        # A crash loop is looked at, not waited for.
        "crashLoopBackOff": {"maxContainerRestartPeriod": "5s"}, "featureGates": {"KubeletCrashLoopBackOffMax": True},
    }


def make_certificates():
    """One authority; the server, the administrator and each node have a certificate of it."""
    keys = WORK / "keys"
    keys.mkdir()

    def openssl(*arguments):
        run("openssl", *arguments)

    def certificate(name, subject, extension):
        (keys / f"{name}.ext").write_text(extension)
        openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", subject, "-keyout", keys / f"{name}.key", "-out", keys / f"{name}.csr")
        openssl(
            "x509", "-req", "-days", "2", "-in", keys / f"{name}.csr", "-extfile", keys / f"{name}.ext", "-CA", keys / "authority.pem",
            "-CAkey", keys / "authority.key", "-CAcreateserial", "-out", keys / f"{name}.pem",
        )

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=authority", "-keyout", keys / "authority.key", "-out", keys / "authority.pem")
    certificate("server", "/CN=kube-apiserver", f"subjectAltName=DNS:localhost,DNS:metrics.telecom.svc,IP:127.0.0.1,IP:{HOST},IP:10.96.0.1\n")
    certificate("admin", "/O=system:masters/CN=admin", "extendedKeyUsage=clientAuth\n")
    for node in NODES:
        certificate(node, f"/O=system:nodes/CN=system:node:{node}", "extendedKeyUsage=clientAuth\n")
    openssl("genrsa", "-out", keys / "accounts.key", "2048")
    openssl("rsa", "-in", keys / "accounts.key", "-pubout", "-out", keys / "accounts.pub")


def write_kubeconfig(path, name, user):
    keys = WORK / "keys"
    path.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": SERVER, "certificate-authority": f"{keys}/authority.pem"}}],
        "users": [{"name": user, "user": {"client-certificate": f"{keys}/{name}.pem", "client-key": f"{keys}/{name}.key"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
    }))
