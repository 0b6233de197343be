# Everything that a newcomer or CI runs. `make` alone lists it.

.DEFAULT_GOAL := help
.PHONY: help demo live test sim fuzz mutants torture deny test-kraft test-airflow test-dbt test-superset test-compose test-upgrade test-lake test-kubernetes lake bench-lake lint docs check-compose check-alerts check-chart bench bench-all bench-page bench-layouts bench-curves bench-scaling bench-latency bench-producer bench-batcher bench-flush bench-expiry bench-micro bench-rules build images sandbox setup setup-tests score-anomalies score-fraud test-churn score-churn test-connect test-oidc test-cluster test-mirror bench-writers test-avro dist

# librdkafka is linked with this host's OpenSSL where that is new enough, else with one built from source. `make setup`
# writes the same into .cargo/config.toml, so that cargo without make agrees and librdkafka is not built twice.
ifneq ($(shell pkg-config --atleast-version=1.1.1 openssl 2>/dev/null && echo yes),)
export OPENSSL_NO_VENDOR := 1
endif

TARGET := $(or $(CARGO_TARGET_DIR),target)
# The streamer that tests can end at named points; no other build has these.
BUILD_FAIL_POINTS = cargo build --workspace --bin streamer-with-fail-points --features streamer/fail-points
# The list of known flaws is on github.com; `make deny DENY_ALSO=` where that can't be reached.
DENY_ALSO ?= advisories

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-24s%s\n", $$1, $$2 }'

# The programs that it runs and no others, in a profile that is quick to build. librdkafka's own -O2 -g stands before what CFLAGS says.
BUILD_DEMO = CFLAGS="$$CFLAGS -O0 -g0" CXXFLAGS="$$CXXFLAGS -O0 -g0" cargo build --profile demo --package sandbox --package producer --package streamer --package batcher
demo: setup ## One simulated day: producer, Kafka, streamer, PostgreSQL, batcher; no Docker needed
	$(BUILD_DEMO)
	$(TARGET)/demo/sandbox demo

live: setup ## The same pipeline until Ctrl-C, with its page at http://127.0.0.1:9464
	$(BUILD_DEMO)
	$(TARGET)/demo/sandbox live

# Built with the tests' features, so that `cargo test` compiles nothing again.
test: setup-tests ## All tests, on a real Kafka and PostgreSQL that live as long as the tests
	cargo build --workspace --bins --tests
	$(BUILD_FAIL_POINTS)
	bench/instructions
	$(TARGET)/debug/sandbox run -- cargo test --workspace

# Other seeds: make sim SEEDS=100000 FIRST_SEED=2000001. A failing one prints itself.
SEEDS ?= 100000
FIRST_SEED ?= 1
sim: ## The core simulated with faults, on all cores; SEEDS=100000 FIRST_SEED=1
	SIM_SEEDS=$(SEEDS) SIM_FIRST_SEED=$(FIRST_SEED) \
		cargo test --profile sim --package windowing --test sim -- --nocapture

# Other seeds: make score-anomalies SCORE='--first-seed 301 --seeds 10 --verbose'.
score-anomalies: SCORE ?= --plot docs/anomalies.svg
score-anomalies: ## The anomaly detector on ten seeds' spikes and drops: docs/anomalies.md
	cargo run --release --package anomaly-score -- $(SCORE)

# Other seeds: make score-fraud SCORE='--first-seed 301 --seeds 2 --verbose'.
score-fraud: ## The example rules on ten seeds' frauds and honest look-alikes: docs/fraud.md
	cargo run --release --package fraud-score -- $(SCORE)

# A workspace of its own: nothing of it is built by the targets above.
CHURN = --manifest-path lake/churn/Cargo.toml --target-dir $(TARGET)/churn
test-churn: setup ## The churn forecast: its tests, and the program on a real PostgreSQL
	cargo build --bin sandbox
	$(TARGET)/debug/sandbox run -- cargo test --release $(CHURN) --workspace

# Worlds take minutes to draw, and are kept. Other seeds: make score-churn SCORE_CHURN='--first-seed 401 --seeds 2'.
SCORE_CHURN ?=
score-churn: setup ## The churn forecast on ten seeds, beside scikit-learn, and what a million subscribers cost: docs/churn.md
	cargo build --release $(CHURN) --package churn-score
	$(TARGET)/churn/release/churn-score --keep $(TARGET)/churn/worlds --matrices $(TARGET)/churn/matrices $(SCORE_CHURN)
	"$$(.ci/python-environment telecom-churn lake/churn/score/requirements.txt)"/bin/python lake/churn/score/compare.py $(TARGET)/churn/matrices
	$(TARGET)/churn/release/churn-speed

fuzz: ## Decoder and core with made-up input, FUZZ_SECONDS=300 each; installs a nightly compiler
	fuzz/run

mutants: setup ## Plants bugs and shows which test catches each; MUTANTS=core: without real services
	@[ "$(MUTANTS)" = core ] || .ci/setup connect
	tests/mutants/run $(MUTANTS)

test-upgrade: setup ## The release before beside this one, on one topic and database, with kills; before a migration lands
	tests/upgrade/run

torture: setup ## Faults in numbers, on real services: 20 minutes; docs/reliability.md. TORTURE_KILLS=10 and the like for fewer
	.ci/torture

test-kraft: setup-tests ## The end-to-end tests on a Kafka without ZooKeeper
	cargo build --workspace --bins --tests
	$(BUILD_FAIL_POINTS)
	SANDBOX_KAFKA_MODE=kraft $(TARGET)/debug/sandbox run -- cargo test --package e2e

test-airflow: setup ## The DAGs on Airflow 2.7.3 and on 3.x, each with a real scheduler
	tests/airflow/run

test-dbt: setup ## The models of dbt/ on a pipeline that really ran; DBT_YEAR=no without the year
	tests/dbt/run

test-superset: setup-tests ## The dashboards of deploy/superset on a real Superset, in a browser
	tests/superset/run

# A workspace of its own: nothing else compiles what it needs. LAKE_SIM_SEEDS=20000 LAKE_SIM_FIRST=1 for other seeds;
# LAKE_KILLS=100 for more kills, LAKE_ROUNDS=300 for two archivers that follow for longer.
LAKE = --manifest-path lake/Cargo.toml --target-dir $(TARGET)/lake --workspace --features archiver/fail-points
test-lake: setup ## The data lake (lake/): simulated with faults, then the archiver behind a real pipeline, with kills
	cargo fmt --manifest-path lake/Cargo.toml --all --check
	cargo clippy $(LAKE) --all-targets -- -D warnings
	cargo build --workspace --bin sandbox --bin streamer --bin batcher
	cargo build --release $(CHURN) --package churn-cli
	TELECOM_PROGRAMS=$(abspath $(TARGET))/debug TELECOM_CHURN=$(abspath $(TARGET))/churn/release/churn \
		LAKE_PYTHON="$$(.ci/python-environment telecom-lake lake/archiver/tests/requirements.txt)"/bin/python \
		$(TARGET)/debug/sandbox run -- cargo test $(LAKE)

# LAKE_EVENTS=20000000 for a backlog of so many.
bench-lake: setup lake ## What the lake costs: CPU, memory, size, commits, queries
	cargo build --release --workspace --bin sandbox --bin streamer --bin producer
	$(TARGET)/release/sandbox run -- "$$(.ci/python-environment telecom-lake lake/archiver/tests/requirements.txt)"/bin/python \
		lake/archiver/bench/cost.py $(TARGET)/release $(TARGET)/lake/release/archiver $(LAKE_EVENTS)

lake: setup ## The program of the data lake, archiver, as a release
	cargo build --manifest-path lake/Cargo.toml --target-dir $(TARGET)/lake --release --package archiver

AVRO = --workspace --features streamer/avro,e2e/avro
# With a registry on loopback and Confluent's own serializer for Python.
test-avro: setup ## Records in Avro through a streamer that reads them; a registry that is away, schemas that it does not know
	cargo clippy $(AVRO) --all-targets -- -D warnings
	cargo test --package schema-registry --features avro
	cargo build --workspace --bin sandbox --bin streamer --features streamer/avro
	AVRO_PYTHON="$$(.ci/python-environment telecom-avro e2e/tests/avro/requirements.txt)"/bin/python \
		$(TARGET)/debug/sandbox run -- cargo test $(AVRO) --test avro

test-oidc: setup ## Kafka with tokens of an identity provider: builds librdkafka once more, with libcurl
	@.ci/setup oidc
	cargo test --package program --features oidc --test kafka_doors

# Its test of the transform runs while that is built. TORTURE_WORKER_KILLS=5 TORTURE_BROKER_KILLS=1 for fewer.
test-connect: setup ## An exchange's table through a real Kafka Connect, with 50 kills of the worker and 10 of the broker: 20 minutes
	@.ci/setup connect
	cargo build --workspace --bins
	connect/assemble $(TARGET)/connect
	CONNECT_HOME=$(abspath $(TARGET)/connect) $(TARGET)/debug/sandbox run -- \
		cargo test --workspace --features e2e/connect --test connect -- --nocapture --test-threads 1

test-cluster: setup ## A Kafka cluster of three brokers: its leader killed 20 times, a rolling restart, an unclean election; some five minutes
	cargo build --workspace --bins
	cargo test --workspace --features e2e/cluster --test cluster -- --nocapture --test-threads 1

# TORTURE_MIRROR_KILLS=3 for fewer.
test-mirror: setup ## A site that MirrorMaker 2 mirrors to a hub: 20 kills of MirrorMaker, moves to the mirror, a site that is gone; fifteen minutes
	cargo build --workspace --bins
	e2e/tests/mirror/assemble $(TARGET)/mirror
	MIRROR_HOME=$(abspath $(TARGET)/mirror) $(TARGET)/debug/sandbox run -- \
		cargo test --workspace --features e2e/mirror --test mirror -- --nocapture --test-threads 1

test-compose: ## docker-compose.yml on a Docker engine of its own; by hand, as root, on Debian
	tests/compose/run

test-kubernetes: setup ## The chart on a real Kubernetes of two nodes, under load; by hand, as root, on Debian; KUBERNETES_ROUNDS=3
	tests/kubernetes/run

lint: ## Format and clippy, warnings denied; no modules depend on each other; Python compiles; the benchmarks' page is what was measured
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --workspace --bin streamer-with-fail-points --features streamer/fail-points -- -D warnings
	cargo clippy --workspace --features e2e/connect,e2e/mirror --test connect --test mirror -- -D warnings
	@if command -v python3 >/dev/null; then \
		export PYTHONPYCACHEPREFIX=$(abspath $(TARGET))/pycache; \
		python3 -m py_compile dags/*.py tests/airflow/*.py tests/dbt/*.py tests/superset/*.py tests/kubernetes/*.py deploy/superset/*.py tests/modules/*.py bench/harness/*.py bench/peers/*.py && \
		python3 tests/modules/cycles.py && \
		cd bench && python3 -m unittest discover --quiet --start-directory tests --top-level-directory .; fi

deny: ## Licences, origins and known flaws of all dependencies; needs cargo-deny (cargo install cargo-deny)
	cargo deny --workspace check --hide-inclusion-graph licenses bans sources $(DENY_ALSO)

docs: ## The crates' documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

check-compose: ## What can be said about docker-compose.yml without a Docker engine
	.ci/check-compose

check-alerts: ## The alerts fire and stay quiet as they should; needs no server
	.ci/check-alerts

check-chart: ## The Helm chart: lint, unit tests, and what it renders against the schemas of Kubernetes; needs Go
	.ci/check-chart

bench-micro: ## Decoding, counting and encoding one event, by criterion
	cargo bench --manifest-path bench/micro/Cargo.toml --target-dir $(TARGET)/micro

# A quick try: make bench EVENTS=200000 REPETITIONS=1 ENGINES=kcat,streamer
EVENTS ?= 2000000
REPETITIONS ?= 3
ENGINES ?= kcat,streamer,python,flink,spark
bench: setup ## The streamer beside Spark, Flink and others, and in each layout of event; EVENTS=2000000 REPETITIONS=3
	bench/run compare --events $(EVENTS) --repetitions $(REPETITIONS) --engines $(ENGINES)
	bench/run layouts --events $(EVENTS)
	@$(MAKE) --no-print-directory bench-page

bench-all: bench bench-curves bench-scaling bench-latency bench-producer bench-batcher bench-flush bench-expiry bench-rules ## All of docs/benchmarks.md, for about an hour
	bench/run compare --events 10000000 --repetitions $(REPETITIONS) --engines $(ENGINES)
	@$(MAKE) --no-print-directory bench-page

bench-layouts: setup ## The streamer beside kcat on events as other programs write them; EVENTS=2000000
	bench/run layouts --events $(EVENTS)
	@$(MAKE) --no-print-directory bench-page

bench-curves: setup
	bench/run curves

bench-scaling: setup
	bench/run scaling
	bench/run writers

# On a quiet machine: ratios of a busy one say nothing.
WRITERS_SECONDS ?= 1200
bench-writers: setup ## Many writers, for the goals of docs/benchmarks.md: at most 20 minutes (WRITERS_SECONDS=1200) after the build
	bench/run writers --seconds-max $(WRITERS_SECONDS)
	@$(MAKE) --no-print-directory bench-page

bench-latency: setup
	bench/run startup
	bench/run freshness
	bench/run idle

bench-producer: setup
	bench/run producers

bench-batcher: setup
	bench/run batch --part day
	bench/run batch --part year
	bench/run batch --part regions

bench-flush: setup
	bench/run flush
	bench/run bloat

bench-expiry: setup ## A day of 576,000 rows that expires beside live flushes, and 30 nights
	bench/run expiry
	@$(MAKE) --no-print-directory bench-page

bench-rules: setup ## Three rules beside Flink SQL, hit by hit; alerts until they are seen; memory, rewinds, backtests
	bench/run patterns
	bench/run alerts
	bench/run rule_costs
	bench/run backtest
	@$(MAKE) --no-print-directory bench-page

bench-page: ## docs/benchmarks.md and the table of docs/scaling.md from bench/results
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=bench python3 -m harness.page
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=bench python3 -m harness.sizing

build: ## target/release/{producer,streamer,batcher,sandbox}
	cargo build --release --workspace

images: ## Docker images of the programs, of Airflow with the batcher in it, of Kafka Connect, dbt and Superset
	$$(.ci/compose) --env-file .env.example --profile '*' build

dist: setup ## An archive of the four programs with its checksum, in target/dist
	cargo build --locked --release --package producer --package streamer --package batcher --package intake-cli
	.ci/dist $(TARGET)/release $(TARGET)/dist

sandbox: setup ## A throw-away Kafka and PostgreSQL for experiments, until Ctrl-C
	$(BUILD_DEMO)
	$(TARGET)/demo/sandbox up

setup: ## Install what is missing (as root, with apt-get), or say what to install
	@.ci/setup

setup-tests: ## The same for the tests: Alertmanager, a browser and its driver too
	@.ci/setup tests
