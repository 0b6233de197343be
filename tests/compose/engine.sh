# A Docker engine of our own, which shares nothing with one that may run here already.

install_engine() {
    local missing=()
    command -v dockerd >/dev/null || missing+=(docker.io iptables)
    command -v debootstrap >/dev/null || missing+=(debootstrap)
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "Installing ${missing[*]}" >&2
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

start_engine() {
    export DOCKER_HOST=unix://$WORK/docker.sock
    nice -n 10 dockerd --data-root "$WORK/data" --exec-root "$WORK/exec" --pidfile "$WORK/dockerd.pid" \
        --host "$DOCKER_HOST" > "$WORK/dockerd.log" 2>&1 &
    ENGINE_PID=$!
    for _ in $(seq "$ENGINE_WAIT_SECONDS"); do
        docker version > /dev/null 2>&1 && return
        kill -0 "$ENGINE_PID" 2>/dev/null || break
        sleep 1
    done
    echo "The Docker engine does not start; the end of its log:" >&2
    tail -n 5 "$WORK/dockerd.log" >&2
    exit 1
}

stop_engine() {
    kill "$ENGINE_PID" 2>/dev/null || true
    wait "$ENGINE_PID" || true
}
