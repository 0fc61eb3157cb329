# The targets that people and CI use; what they do is in infra/setup, infra/demo and cargo.
.DEFAULT_GOAL := help
.PHONY: help setup setup-cuda tools python browser azurite build man demo test test-cuda test-airflow test-long check lint-infra fuzz clean-runtime test-ray test-monitoring kernels book wheel release test-release

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: tools ## check the build tools (as root on Debian: install them), fetch ONNX Runtime into .runtime/cpu
	@infra/setup/onnxruntime.sh

setup-cuda: tools ## fetch ONNX Runtime for CUDA and NVIDIA's libraries into .runtime/cuda (2 GB; the GPU's driver is yours)
	@infra/setup/cuda.sh

tools: ## the first half of setup: only the build tools
	@infra/setup/tools.sh

python: tools ## make the pinned Python environment of tests and demo in .venv
	@infra/setup/python.sh

browser: ## find a Chromium for the test of the HTML report (as root on Debian: install it)
	@infra/setup/browser.sh

azurite: ## put Azurite, the emulator of Azure's blobs, into .runtime/azurite for the tests (needs Node.js; as root on Debian: installs it)
	@infra/setup/azurite.sh

build: tools ## build target/release/tresnet-batch
	cargo build --release --locked

SHARE = target/share
man: build ## man pages, shell completions and the schema of the job file, into SHARE=target/share
	@infra/release/share.sh target/release/tresnet-batch $(SHARE)

wheel: tools ## the wheel, in target/dist: program, ONNX Runtime, demo, Python module (linked by zig for glibc 2.28)
	@infra/wheel/build.sh

release: tools ## all that a release hands out, in target/dist: wheel, archive, Debian package, debug file, SBOM, checksums
	@infra/release/build.sh

test-release: release ## installs the wheel, the archive and the package of `make release` and runs what they bring
	@infra/release/test.sh

book: python build ## the documentation as a book with search, in target/book/html
	@infra/book/book.sh target/release/tresnet-batch

demo: setup python build ## classify a small generated data set on this machine's CPU and show the report
	@infra/demo/run.sh

# one build serves all tests; the points where it can be made to fail do nothing until a test asks for it
TESTS = cargo test --locked --features failpoints

test: setup python browser azurite ## all tests: unit, integration, documentation, and those with failpoints
	$(TESTS)

test-cuda: setup python ## the CUDA path without a GPU: the real provider over libraries that record every call (Linux on x86_64)
	@infra/setup/cuda_trace.sh
	@infra/setup/kernels.sh
	@python3 infra/kernels/build.py .runtime/nvrtc --check
	TRESNET_BATCH_CUDA_TRACE=$(CURDIR)/.runtime/cuda-trace $(TESTS) --test integration cuda_path:: -- --nocapture

kernels: tools ## compile the CUDA kernels into src/engine/cuda/kernels/cubins; needs no GPU (Linux on x86_64)
	@infra/setup/kernels.sh
	@python3 infra/kernels/build.py .runtime/nvrtc

test-airflow: setup python ## the DAG of infra/airflow on a real Airflow, installed into .runtime/airflow
	@infra/setup/airflow.sh
	TRESNET_BATCH_AIRFLOW=$(CURDIR)/.runtime/airflow/bin/python $(TESTS) --test integration airflow:: -- --nocapture

test-ray: setup python ## infra/ray on a real Ray cluster of several nodes on this machine, with workers and nodes killed
	@infra/setup/ray.sh
	TRESNET_BATCH_RAY=$(CURDIR)/.runtime/ray/bin/python $(TESTS) --test integration ray:: -- --nocapture

test-monitoring: setup python ## metrics, dashboard and alerts on the real Prometheus and node_exporter (out of Debian's packages)
	@infra/setup/prometheus.sh
	TRESNET_BATCH_PROMETHEUS=$(CURDIR)/.runtime/prometheus $(TESTS) --test integration monitoring::prometheus:: -- --nocapture

test-long: setup python azurite ## the tests whose counts `make test` reduces, at full count (about 40 minutes)
	TRESNET_BATCH_KILLS=200 $(TESTS) --test integration -- --nocapture --test-threads=1 row_01
	TRESNET_BATCH_KILLS=100 $(TESTS) --test integration -- --nocapture --test-threads=1 azurite::killed
	TRESNET_BATCH_SCALE=50000,1000000,10000000 $(TESTS) --test integration -- --nocapture scale::memory
	TRESNET_BATCH_ALL_PARITY=1 $(TESTS) --test integration -- --nocapture own_operators::
	TRESNET_BATCH_INT8=3000 $(TESTS) --test integration -- --nocapture quantize::
	TRESNET_BATCH_SCHEDULES=50000 $(TESTS) --test faults -- --nocapture model::
	LOOM_MAX_PREEMPTIONS=3 $(TESTS) --lib -- _model::

check: tools ## formatting, spelling, phrases that docs/STYLE.md avoids, lints, links of doc comments
	cargo fmt --check
	@infra/setup/spelling.sh
	@python3 infra/setup/style.py
	cargo clippy --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --lib --locked
	cargo clippy --all-targets --features failpoints --locked -- -D warnings

lint-infra: tools ## hadolint over the container files, shellcheck over every script, cargo-deny over the dependencies
	@infra/setup/lint.sh

TARGET = decode
SECONDS = 600
fuzz: tools ## hostile bytes for one reader: make fuzz TARGET=decode SECONDS=1800; needs a nightly compiler
	@infra/fuzz/run.sh "$(TARGET)" "$(SECONDS)"

clean-runtime: ## remove what the other targets fetched and made outside target: .runtime and .venv
	rm -rf .runtime .venv
