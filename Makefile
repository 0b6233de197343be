# Everything that a newcomer or CI runs. `make` alone lists it.

.DEFAULT_GOAL := help
.PHONY: help demo test test-kraft test-airflow test-compose lint docs check-compose check-alerts build images sandbox setup setup-tests

TARGET := $(or $(CARGO_TARGET_DIR),target)

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-22s%s\n", $$1, $$2 }'

demo: setup ## One simulated day: producer, Kafka, streamer, PostgreSQL, batcher; no Docker needed
	cargo build --release --workspace
	$(TARGET)/release/sandbox demo

# Built with the tests' features, so that `cargo test` compiles nothing again.
test: setup-tests ## All tests, on a real Kafka and PostgreSQL that live as long as the tests
	cargo build --workspace --bins --tests
	$(TARGET)/debug/sandbox run -- cargo test --workspace

test-kraft: setup-tests ## The end-to-end tests on a Kafka without ZooKeeper
	cargo build --workspace --bins --tests
	SANDBOX_KAFKA_MODE=kraft $(TARGET)/debug/sandbox run -- cargo test --package e2e

test-airflow: setup ## The DAG on Airflow 2.7.3 and on 3.x, each with a real scheduler
	.ci/airflow/run

test-compose: ## docker-compose.yml on a Docker engine of its own; by hand, as root, on Debian
	deploy/test-compose/run

lint: ## Format and clippy, warnings denied; Python compiles
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	@if command -v python3 >/dev/null; then \
		PYTHONPYCACHEPREFIX=$(TARGET)/pycache python3 -m py_compile dags/*.py .ci/airflow/*.py; fi

docs: ## The crates' documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

check-compose: ## What can be said about docker-compose.yml without a Docker engine
	.ci/check-compose

check-alerts: ## The alerts fire and stay quiet as they should; needs no server
	.ci/check-alerts

build: ## target/release/{producer,streamer,batcher,sandbox}
	cargo build --release --workspace

images: ## Docker images of the three programs, and of Airflow with the batcher in it
	$$(.ci/compose) --env-file .env.example --profile '*' build

sandbox: setup ## A throw-away Kafka and PostgreSQL for experiments, until Ctrl-C
	cargo build --release --workspace
	$(TARGET)/release/sandbox up

setup: ## Install what is missing (as root, with apt-get), or say what to install
	@.ci/setup

setup-tests: ## The same for the tests: Alertmanager, a browser and its driver too
	@.ci/setup tests
