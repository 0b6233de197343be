# Everything that a newcomer or CI runs. `make` alone lists it.

.DEFAULT_GOAL := help
.PHONY: help demo test lint build sandbox setup

TARGET := $(or $(CARGO_TARGET_DIR),target)

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-16s%s\n", $$1, $$2 }'

demo: setup ## One simulated day: producer, Kafka, streamer, PostgreSQL, batcher; no Docker needed
	cargo build --release --workspace
	$(TARGET)/release/sandbox demo

# Built with the tests' features, so that `cargo test` compiles nothing again.
test: setup ## All tests, on a real Kafka and PostgreSQL that live as long as the tests
	cargo build --workspace --bins --tests
	$(TARGET)/debug/sandbox run -- cargo test --workspace

lint: ## Format, clippy and documentation, warnings denied
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

build: ## target/release/{producer,streamer,batcher,sandbox}
	cargo build --release --workspace

sandbox: setup ## A throw-away Kafka and PostgreSQL for experiments, until Ctrl-C
	cargo build --release --workspace
	$(TARGET)/release/sandbox up

setup: ## Install what is missing (as root, with apt-get), or say what to install
	@.ci/setup
