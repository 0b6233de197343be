#!/usr/bin/env bash
# Starts the broker when ZooKeeper has given up the session of a former one. After an unclean stop ZooKeeper
# holds its node until the session times out, and a broker that starts before ends with NodeExistsException.
set -euo pipefail

ZOOKEEPER=/dev/tcp/zookeeper/2181
# Twice the session, and more: then the node is somebody else's, and the broker itself shall say so.
WAIT_SECONDS=$((2 * KAFKA_ZOOKEEPER_SESSION_TIMEOUT_MS / 1000 + 30))

is_registered() {
    local sessions
    exec 3<>"$ZOOKEEPER"
    printf dump >&3
    sessions=$(cat <&3)
    exec 3>&-
    grep -q "/brokers/ids/$KAFKA_BROKER_ID\$" <<<"$sessions"
}

while is_registered && [ "$SECONDS" -lt "$WAIT_SECONDS" ]; do
    echo "waiting for ZooKeeper to give up the session of a broker that ended without a word ($SECONDS s)"
    sleep 2
done
exec /etc/confluent/docker/run
