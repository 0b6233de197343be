# Images of the programs, and Airflow with the batcher in it. One final stage each:
#
#   docker build --target streamer -t telecom/streamer:local .
#
# docker-compose.yml does this for all of them; `make images` builds them without starting anything.

# The same as in rust-toolchain.toml; a test compares them.
ARG RUST_VERSION=1.95.0
ARG DEBIAN_RELEASE=bookworm
ARG AIRFLOW_VERSION=2.7.3

# --- What cargo needs to know before it sees any source ---------------------------------------

# Every Cargo.toml beside empty sources. As long as no manifest changes, this folder is the same to the last
# byte, and the layers that build the dependencies from it come out of the cache.
FROM rust:${RUST_VERSION}-${DEBIAN_RELEASE} AS manifests
WORKDIR /src
COPY . .
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock -delete \
 && find . -type d -empty -delete \
 && find . -mindepth 2 -name Cargo.toml -printf '%h\n' | while read -r crate; do \
        mkdir "$crate/src" && touch "$crate/src/lib.rs" && echo 'fn main() {}' > "$crate/src/main.rs"; \
    done \
 && find . -exec touch --date=@0 {} +

# --- producer, streamer and intake: librdkafka, linked to Debian's libc -----------------------

FROM rust:${RUST_VERSION}-${DEBIAN_RELEASE} AS build
# With Debian's OpenSSL, which this image has for development, and the final ones have to run.
ENV OPENSSL_NO_VENDOR=1
# libcurl, with which librdkafka asks an identity provider for tokens, is in this image for development too.
ARG FEATURES=producer/oidc,streamer/oidc,streamer/avro,intake-cli/oidc
WORKDIR /src
COPY --from=manifests /src .
RUN cargo build --locked --release --package producer --package streamer --package intake-cli --features "$FEATURES"
RUN rm -r */src crates/*/src
COPY . .
# The empty sources were built later than the real ones were written: cargo goes by that.
RUN find . -path ./target -prune -o -name '*.rs' -exec touch {} + \
 && cargo build --locked --release --package producer --package streamer --package intake-cli --features "$FEATURES"

# --- batcher: static, so that it runs in any image, whatever its libc -------------------------

FROM rust:${RUST_VERSION}-${DEBIAN_RELEASE} AS build-static
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends musl-tools \
 && rm -rf /var/lib/apt/lists/* \
 && rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /src
COPY --from=manifests /src .
RUN cargo build --locked --release --package batcher --target "$(uname -m)-unknown-linux-musl"
RUN rm -r */src crates/*/src
COPY . .
RUN find . -path ./target -prune -o -name '*.rs' -exec touch {} + \
 && cargo build --locked --release --package batcher --target "$(uname -m)-unknown-linux-musl" \
 && mv "target/$(uname -m)-unknown-linux-musl/release/batcher" /batcher

# --- archiver: a workspace of its own, which no other image compiles --------------------------

FROM rust:${RUST_VERSION}-${DEBIAN_RELEASE} AS build-lake
ENV OPENSSL_NO_VENDOR=1
WORKDIR /src
COPY --from=manifests /src .
RUN cargo build --locked --release --manifest-path lake/Cargo.toml --package archiver --features oidc
RUN rm -r crates/*/src lake/*/src
COPY . .
RUN find . -path ./lake/target -prune -o -name '*.rs' -exec touch {} + \
 && cargo build --locked --release --manifest-path lake/Cargo.toml --package archiver --features oidc

# --- churn: a workspace of its own as well ----------------------------------------------------

FROM rust:${RUST_VERSION}-${DEBIAN_RELEASE} AS build-churn
WORKDIR /src
COPY --from=manifests /src .
RUN cargo build --locked --release --manifest-path lake/churn/Cargo.toml --package churn-cli
RUN rm -r crates/*/src lake/churn/src lake/churn/*/src
COPY . .
RUN find . -path ./lake/churn/target -prune -o -name '*.rs' -exec touch {} + \
 && cargo build --locked --release --manifest-path lake/churn/Cargo.toml --package churn-cli

# --- Final stages -----------------------------------------------------------------------------

# Each program is process 1 and handles SIGTERM itself, so none needs an init in front of it.

# What TLS and tokens for Kafka need: OpenSSL, libcurl, and the authorities that hosts trust.
FROM debian:${DEBIAN_RELEASE}-slim AS tls
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends ca-certificates libcurl4 libssl3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*

FROM tls AS streamer
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="streamer" \
      org.opencontainers.image.description="Counts telecom events in 1-minute windows, exactly once, from Kafka to PostgreSQL" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /src/target/release/streamer /usr/local/bin/streamer
USER 10001:10001
# Healthy: what it read was stored lately, by the database's own clock.
HEALTHCHECK --interval=10s --timeout=10s --start-period=90s --retries=3 CMD ["streamer", "health"]
ENTRYPOINT ["streamer"]

# No health check: it serves nobody, and it ends with an error when something is not delivered.
FROM tls AS producer
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="producer" \
      org.opencontainers.image.description="Generates telecom events and sends them to Kafka" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /src/target/release/producer /usr/local/bin/producer
USER 10001:10001
ENTRYPOINT ["producer"]

# No health check: what it can't do it says by ending with an error, and by its metrics.
FROM tls AS intake
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="intake" \
      org.opencontainers.image.description="Turns an operator's own records into events, each exactly once" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /src/target/release/intake /usr/local/bin/intake
USER 10001:10001
ENTRYPOINT ["intake"]

# No health check: it serves nobody, and what it can't do it says and tries again; `archiver status` says how far it has come.
FROM tls AS archiver
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="archiver" \
      org.opencontainers.image.description="Keeps every event in a Delta table, exactly once, as a follower of the warehouse" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build-lake /src/lake/target/release/archiver /usr/local/bin/archiver
# For `batcher DAY --from-lake`, which asks the archiver.
COPY --from=build-static /batcher /usr/local/bin/batcher
# A volume that is mounted here for the first time has this owner.
RUN mkdir /lake && chown 10001:10001 /lake
USER 10001:10001
ENTRYPOINT ["archiver"]

# No health check: it runs for minutes and says by its exit code how it went. It starts the archiver, which reads the lake.
FROM tls AS churn
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="churn" \
      org.opencontainers.image.description="Foresees which subscribers will leave, from the data lake" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build-lake /src/lake/target/release/archiver /usr/local/bin/archiver
COPY --from=build-churn /src/lake/churn/target/release/churn /usr/local/bin/churn
USER 10001:10001
ENTRYPOINT ["churn"]

# Nothing but the program. No health check: it runs for seconds and says by its exit code how it went.
FROM scratch AS batcher
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="batcher" \
      org.opencontainers.image.description="Computes, judges and checks a day's statistics in PostgreSQL" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build-static /batcher /usr/local/bin/batcher
USER 10001:10001
ENTRYPOINT ["/usr/local/bin/batcher"]

# Its user, entry point and libc are Airflow's own.
FROM apache/airflow:${AIRFLOW_VERSION} AS airflow
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="airflow" \
      org.opencontainers.image.description="Airflow with the batcher, for the DAG daily_metrics_batch" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build-static /batcher /usr/local/bin/batcher
