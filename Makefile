# `make` lists the targets. Everything that is built or installed goes into target/.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

TARGET := $(or $(CARGO_TARGET_DIR),target)
SANDBOX := $(TARGET)/debug/namesake-sandbox
OVERLAYS := charts/source/cluster charts/source/stack $(addprefix manifests/,base cluster token-guard metaflow) $(addprefix manifests/overlays/,gke gke/research gke/try gke-gateway gke-iap loopback)
# The first kubectl of: KUBEBUILDER_ASSETS, the one that the sandbox built, the one in the PATH.
KUBECTL := $(firstword $(wildcard $(KUBEBUILDER_ASSETS)/kubectl target/control-plane/kubectl) $(shell command -v kubectl))
PROMTOOL := $(firstword $(wildcard $(KUBEBUILDER_ASSETS)/promtool target/prometheus/promtool) $(shell command -v promtool))
TOFU := $(firstword $(wildcard $(KUBEBUILDER_ASSETS)/tofu target/tofu/tofu) $(shell command -v tofu))

need = command -v $(1) >/dev/null || { echo "$(1) is not installed: $(2)" >&2; exit 1; }

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | sort | while IFS=$$'\t' read -r name text; do printf '  make %-11s %s\n' "$$name" "$$text"; done

.PHONY: demo
demo: tools build ## Run stock Metaflow as alice and bob at the same time, and show each task's identity at Google
	$(SANDBOX) demo

.PHONY: sandbox
sandbox: tools build ## Start the demo's cluster and print how to use it (Ctrl-C stops it)
	$(SANDBOX) up

.PHONY: test
test: tools go build control-plane ## Run all tests, including those against an API server and Metaflow
	cargo test --workspace

# Each is a file of sandbox/control-plane.
VERSIONS := $(patsubst sandbox/control-plane/%.mod,%,$(filter-out %/go.mod,$(wildcard sandbox/control-plane/*.mod)))

.PHONY: versions
versions: tools go build control-plane ## Run the tests of admission and policies on older versions of Kubernetes (VERSIONS=1.33 for one)
	for version in $(VERSIONS); do \
	  $(SANDBOX) build --kubernetes "$$version"; \
	  KUBEBUILDER_ASSETS="$(CURDIR)/target/control-plane-$$version" cargo test --workspace --test it -- admission:: abuse::guards::; \
	done

.PHONY: bench
bench: tools ## Measure rules, patch, webhook, gateway, whole pods, kubectl namesake and scale; writes target/bench/report.json
	rm -f target/bench/report.json
	# Everything in one build: with another choice of packages, cargo would compile all dependencies again.
	cargo build --release --workspace --bins --bench '*'
	cargo bench --workspace --bench rules --bench replay --bench mutate --bench load --bench large
	cargo bench --workspace --bench gateway
	cargo bench --workspace --bench admission
	cargo bench --workspace --bench operate
	$(MAKE) scale

.PHONY: scale
scale: tools ## Measure a broker with 50,000 identities and 1,000 new users (NAMESAKE_SCALE=500/20 for a quick run)
	cargo build --release --workspace --bins --bench '*'
	# The API server's heap is 2 GB here. With Go's default, garbage collection would keep both cores busy for seconds.
	GOGC=300 cargo bench --workspace --bench scale

.PHONY: fuzz
fuzz: rust ## Send random reviews to the webhook for ten minutes (SECONDS=… to change that)
	NAMESAKE_FUZZ_SECONDS=$(or $(SECONDS),600) cargo test -p namesake-webhook --test it fuzz -- --nocapture

.PHONY: soak
soak: tools build control-plane ## Inject random faults and requests for ten minutes, then check that everything is consistent (SECONDS=…, SEED=…)
	NAMESAKE_SOAK_SECONDS=$(or $(SECONDS),600) NAMESAKE_SOAK_SEED=$(or $(SEED),1) cargo test -p namesake-tests --test it soak:: -- --nocapture

# Static programs with paths that are the same in every folder: the same source gives the same digests.
IMAGE_TARGET := x86_64-unknown-linux-gnu
IMAGE_FLAGS := -C target-feature=+crt-static --remap-path-prefix=$(CURDIR)=. --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=cargo
IMAGE_VERSION := $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml)
IMAGE_PROGRAMS := webhook/namesake-webhook broker/namesake-broker gateway/namesake-gateway cli/kubectl-namesake

.PHONY: images
images: rust go target/cyclonedx/bin/cargo-cyclonedx target/oci/oras ## Build the images webhook, broker, gateway and cli, each with its SBOM, and the Helm chart as OCI layouts in target/images; the chart, and kubectl namesake for krew, in target/archives
	RUSTFLAGS="$(IMAGE_FLAGS)" cargo build --release --locked --target $(IMAGE_TARGET) --bins \
	  -p namesake-webhook -p namesake-broker -p namesake-gateway -p namesake-cli -p namesake-images
	export SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct); \
	target/cyclonedx/bin/cargo-cyclonedx cyclonedx --quiet --format json --spec-version 1.5 --describe binaries --target $(IMAGE_TARGET) --no-build-deps; \
	mkdir -p target/sbom; \
	for program in $(IMAGE_PROGRAMS); do \
	  sed 's|file://$(CURDIR)|file://.|g' "$${program}_bin.cdx.json" > "target/sbom/$${program##*/}.cdx.json"; \
	done; \
	rm -f */*_bin.cdx.json; \
	$(TARGET)/$(IMAGE_TARGET)/release/namesake-images --programs $(TARGET)/$(IMAGE_TARGET)/release --sboms target/sbom --out target/images --archives target/archives --chart charts/namesake --license LICENSE \
	  --revision "$$(git rev-parse HEAD)" --created "$$(TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd)"

.PHONY: push
push: target/oci/oras ## Push the images of `make images` with their SBOMs, and the Helm chart as charts/namesake: REGISTRY=us-central1-docker.pkg.dev/acme/namesake TAG=0.1.0
	@[ -n "$(REGISTRY)" ] || { echo "REGISTRY is not set: make push REGISTRY=us-central1-docker.pkg.dev/PROJECT/REPOSITORY" >&2; exit 1; }
	for image in webhook broker gateway cli; do \
	  target/oci/oras copy --recursive --from-oci-layout "target/images/$$image:$(IMAGE_VERSION)" "$(REGISTRY)/$$image:$(or $(TAG),$(IMAGE_VERSION))"; \
	done
	target/oci/oras copy --from-oci-layout "target/images/chart:$(IMAGE_VERSION)" "$(REGISTRY)/charts/namesake:$(IMAGE_VERSION)"

.PHONY: test-images
test-images: images target/oci/crane target/oci/krew tools control-plane ## Push the images to a registry on loopback, pull them again, and run their programs; install the plugin with krew
	cargo test --workspace --test built-images

.PHONY: lint
lint: rust format clippy deny manifests alerts terraform scripts client ## Run all checks that need no running program

.PHONY: fmt
fmt: rust ## Format the Rust code
	cargo fmt --all

.PHONY: crd
crd: rust ## Regenerate manifests/cluster/crd.yaml from the crate api
	cargo run -q -p namesake-api --bin namesake-crd > target/crd.yaml
	mv target/crd.yaml manifests/cluster/crd.yaml

.PHONY: clean
clean: ## Remove target/, including the control plane
	rm -rf target

# Steps of the targets above.

.PHONY: build
build: rust # includes the tests: with other features, demo and tests would compile every crate twice
	cargo build --workspace --lib --bins --tests

.PHONY: control-plane
control-plane: build
	$(SANDBOX) build

target/oci/oras: sandbox/oci/go.mod
	cd sandbox/oci && go build -mod=readonly -o ../../target/oci/ oras.land/oras/cmd/oras

target/oci/crane: sandbox/oci/go.mod
	cd sandbox/oci && go build -mod=readonly -o ../../target/oci/ github.com/google/go-containerregistry/cmd/crane

target/oci/krew: sandbox/oci/krew.mod
	cd sandbox/oci && go build -mod=readonly -modfile=krew.mod -o ../../target/oci/ sigs.k8s.io/krew/cmd/krew

target/cyclonedx/bin/cargo-cyclonedx:
	cargo install cargo-cyclonedx --version 0.5.9 --locked --root target/cyclonedx

.PHONY: format
format:
	cargo fmt --all --check

.PHONY: clippy
clippy:
	cargo clippy --workspace --all-targets -- -D warnings
	# It is not among the targets of `make test`, and so not among all.
	cargo clippy --workspace --test built-images -- -D warnings

.PHONY: deny
deny:
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check licenses bans sources; else \
	  echo "cargo-deny is not installed: licenses, bans and sources were not checked (cargo install cargo-deny)"; fi

.PHONY: manifests
manifests:
	@if [ -z "$(KUBECTL)" ]; then echo "kubectl is not installed: the manifests were not rendered ('make test' builds one, and applies them)"; exit 0; fi; \
	for overlay in $(OVERLAYS); do "$(KUBECTL)" kustomize $$overlay >/dev/null && echo "renders: $$overlay"; done

.PHONY: alerts
alerts:
	@if [ -z "$(PROMTOOL)" ]; then echo "promtool is not built: the alerts were not checked ('make test' builds it, and checks more)"; exit 0; fi; \
	"$(PROMTOOL)" check rules --lint=all manifests/metrics/alerts.yaml && "$(PROMTOOL)" test rules manifests/metrics/alerts.test.yaml

.PHONY: terraform
terraform:
	@if [ -z "$(TOFU)" ]; then echo "OpenTofu is not built: terraform/ was not checked ('make test' builds it, and checks more)"; exit 0; fi; \
	"$(TOFU)" fmt -check -diff -recursive terraform

.PHONY: client
client:
	@if [ ! -x target/client/env/bin/ruff ]; then echo "ruff and mypy are not installed: client/ and acceptance/ were not checked ('make test' installs and runs them)"; exit 0; fi; \
	for folder in client acceptance; do (cd $$folder && ../target/client/env/bin/ruff check . && ../target/client/env/bin/ruff format --check . && ../target/client/env/bin/mypy); done

.PHONY: scripts
scripts:
	bash -n .ci/run

.PHONY: rust
rust:
	@$(call need,cargo,see https://rustup.rs (Rust 1.95 or newer))

.PHONY: go
go: # needed even if the control plane is built: the tests build Google's client for Go
	@$(call need,go,it must be 1.26 or newer and builds Google's client for Go: see https://go.dev/dl)

.PHONY: tools
tools: rust
	@$(call need,python3,it must be 3.10 or newer and runs the stock Metaflow client)
	@if [ -z "$${KUBEBUILDER_ASSETS:-}" ]; then $(call need,go,it must be 1.26 or newer and builds the control plane: see https://go.dev/dl (or set KUBEBUILDER_ASSETS to a folder with the binaries)); fi
