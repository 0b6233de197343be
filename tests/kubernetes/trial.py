"""The chart on a real cluster: installed, then rounds of everything that a cluster does to pods while events keep coming, then
taken away. Prints a line for each step; exit 1 with the reason if one is not as it should be.

In: the environment that tests/kubernetes/run and `sandbox run` set. Which rows there must be at the end is the generator's word.
"""

import os
import pathlib
import sys
import time

sys.path[:0] = [str(pathlib.Path(__file__).parent), os.environ["KUBERNETES_TOOLS"] + "/python"]

from cluster import PAUSE_IMAGE, TOOLS, WORK, Cluster, wait_until
from image import write_image
from load import KAFKA, OWNER_URL, PARTITIONS, PROGRAMS, Database, Load
from rounds import Rounds
from scaling import Scaling
from watch import Watch

ROUNDS = int(os.environ.get("KUBERNETES_ROUNDS", "3"))
RATE = int(os.environ.get("KUBERNETES_RATE", "1000"))
# So long a round may take; there is load for as long.
ROUND_SECONDS = int(os.environ.get("KUBERNETES_ROUND_SECONDS", "120"))
# On a machine that does nothing else.
INSTALL_SECONDS_GOAL = 30
PREVIOUS = os.environ.get("PREVIOUS_STREAMER")
CHART = pathlib.Path(__file__).resolve().parent.parent.parent / "deploy/helm/telecom"


def say(text):
    print(f"{time.strftime('%T')} {text}", flush=True)


def make_images():
    """Archives of the images; the nodes get them once they run."""
    write_image(PAUSE_IMAGE, TOOLS / "pause", WORK / "pause.tar")
    archives = []
    for program in ("streamer", "batcher"):
        archives.append(WORK / f"{program}.tar")
        write_image(f"docker.io/telecom/{program}:new", PROGRAMS / program, archives[-1])
    if PREVIOUS:
        archives.append(WORK / "previous.tar")
        write_image("docker.io/telecom/streamer:old", PREVIOUS, archives[-1])
    return archives


def make_namespace(cluster, database):
    """The namespace of the chart, which admits nothing but what Pod Security calls restricted, and its Secrets."""
    cluster.kubectl("create", "namespace", "telecom")
    cluster.kubectl("label", "namespace", "telecom", "pod-security.kubernetes.io/enforce=restricted")
    wait_until("the namespace has its account", lambda: cluster.kubectl("get", "serviceaccount/default", "--namespace=telecom", check=False).returncode == 0)
    # The streamers' user may use the tables and owns none, so it can't migrate. (deploy/roles.sql is of one version.)
    for statement in (
        "CREATE ROLE streamers LOGIN PASSWORD 'first'",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO streamers",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO streamers",
    ):
        database.run(statement)
    for name, url in (("telecom-owner", OWNER_URL), ("telecom-streamer", database.url_of("streamers", "first"))):
        cluster.kubectl("create", "secret", "generic", name, "--namespace=telecom", f"--from-literal=DATABASE_URL={url}")


def install(cluster, rounds):
    """Refused without its Secret; then there."""
    refused = cluster.helm(
        "install", "telecom", CHART, "--namespace=telecom", "--set", f"kafka.bootstrapServers={KAFKA},database.existingSecret=nobody", check=False)
    assert refused.returncode != 0 and "the Secret nobody is not in the namespace telecom" in refused.stderr, refused.stderr
    say("an install that names a Secret that is not there is refused, with its name")
    begun = time.monotonic()
    rounds.helm("install", rounds.first_tag)
    seconds = time.monotonic() - begun
    say(f"installed with --wait in {seconds:.1f} s; the goal is {INSTALL_SECONDS_GOAL}")


def look_at_the_end(cluster, database, rounds, watch, truth):
    """Everything is counted, once; nothing failed on the way; the chart's own test and the nights' job agree."""
    rounds.helm("upgrade", "new")
    wait_until("all is counted", lambda: database.counted() >= truth.sent, seconds=180)
    differences = database.differences(truth)
    assert not differences, "\n".join(differences)
    say(f"all rows are those of the recount: {truth.sent} events, {len(truth.tables['real_time_metrics'])} windows")
    say(rounds.exec("verify").strip().splitlines()[-1])
    wait_until("the chart's test passes", lambda: cluster.helm("test", "telecom", "--namespace=telecom", check=False).returncode == 0, pause=2)
    say("helm test passes")
    cluster.kubectl("create", "job", "--namespace=telecom", "--from=cronjob/telecom-batcher-stale", "by-hand")
    cluster.kubectl("wait", "--namespace=telecom", "--for=condition=complete", "--timeout=60s", "job/by-hand")
    cluster.kubectl("delete", "job", "--namespace=telecom", "by-hand", "--wait=true")
    say("the job of the stale days ends well")
    watch.stop()
    failed = {name: count for name, count in watch.failed_flushes.items() if count}
    assert not failed, f"attempts at a flush failed: {failed}"
    assert not watch.lies, f"called ready and were not: {watch.lies}"
    say(f"{watch.looks} looks at {len(watch.failed_flushes)} pods: no failed flush, no readiness that lies")


def uninstall(cluster):
    cluster.helm("uninstall", "telecom", "--namespace=telecom", "--wait")
    kinds = cluster.kubectl("api-resources", "--namespaced", "--verbs=list", "--output=name").split()
    kinds = ",".join(kind for kind in kinds if not kind.startswith("events"))
    expected = {"ServiceAccount/default", "ConfigMap/kube-root-ca.crt", "Secret/telecom-owner", "Secret/telecom-streamer"}

    def left_behind():
        return {f"{item['kind']}/{item['metadata']['name']}" for item in cluster.get(kinds, "--namespace=telecom")["items"]} - expected

    # What belongs to what was removed, like ReplicaSets, goes by and by.
    try:
        wait_until("everything has gone", lambda: not left_behind(), seconds=60)
    except AssertionError:
        raise AssertionError(f"left behind: {left_behind()}") from None
    say("uninstalled: nothing is left")


def main():
    cluster, database = Cluster(), Database()
    archives = make_images()
    begun = time.monotonic()
    try:
        cluster.start()
        for archive in archives:
            cluster.load_image(archive)
        say(f"two nodes of {cluster.kubectl('version').splitlines()[-1].strip()} after {time.monotonic() - begun:.0f} s")
        make_namespace(cluster, database)
        # The topic is there first, with as many partitions as the chart is told.
        load = Load(WORK, ROUNDS * ROUND_SECONDS * RATE, RATE)
        rounds = Rounds(cluster, database, load, CHART, "old" if PREVIOUS else "new")
        install(cluster, rounds)
        watch = rounds.watch = Watch(cluster, WORK)
        for number in range(1, ROUNDS + 1):
            begun = time.monotonic()
            rounds.play(say)
            say(f"round {number} of {ROUNDS}: {time.monotonic() - begun:.0f} s, {database.counted()} events counted")
        truth = load.finish(ROUNDS * ROUND_SECONDS)
        look_at_the_end(cluster, database, rounds, watch, truth)
        Scaling(cluster, database, rounds).play(say)
        say(rounds.exec("verify").strip().splitlines()[-1])
        uninstall(cluster)
    finally:
        cluster.stop()
    if not PREVIOUS:
        say("NOT tested: an upgrade over a migration and a rollback; give PREVIOUS_STREAMER")


if __name__ == "__main__":
    main()
