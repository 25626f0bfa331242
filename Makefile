# The commands of the repository. `make test` is the whole gate; .ci/run calls
# it and nothing else does the testing.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# No build stamps from git in tests: a checkout owned by somebody else, or no git
# at all, must not matter. `make build` asks for them.
export GOFLAGS := -mod=readonly -buildvcs=false

TOOLS := .cache/tools
STEP := tools/step.sh

# Nightly: seconds for each target, and the counts the tests read.
NIGHTLY_FUZZ_SECONDS ?= 600
NIGHTLY_KILL_ROUNDS ?= 10000
NIGHTLY_CRASH_IMAGES ?= 1000000
NIGHTLY_CRASH_OPERATIONS ?= 4
NIGHTLY_FLIPS ?= all
NIGHTLY_MISDIRECT_BYTES ?= 16777216
NIGHTLY_RAFT_GROUPS ?= 10000
NIGHTLY_FULL_LOOPS ?= 1000
NIGHTLY_POWER_CUTS ?= 1000
NIGHTLY_SOAK ?= 2h

GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

.PHONY: deps
deps: ## fetch pinned modules and build the tools that the tests need
	@echo "modules of the product and its tests (go.mod, go.sum)"
	@go mod download
	@echo "gofumpt and staticcheck (tools/go.mod), into $(TOOLS)"
	@go build -modfile=tools/go.mod -o $(TOOLS)/ mvdan.cc/gofumpt honnef.co/go/tools/cmd/staticcheck
	@echo "clients that others wrote for Kinesis, and AWS's models (clients/install), into .cache/clients"
	@clients/install.sh

.PHONY: build
build: ## build bin/millrace
	CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -trimpath -o bin/millrace ./cmd/millrace

.PHONY: test
test: deps check test-unit test-race test-fuzz test-examples test-adapters test-peers test-powercut test-models test-clients test-bench ## everything a change must pass
	@echo "all passed"

.PHONY: check
check: deps ## formatting, vet on several systems, staticcheck, tidy modules
	@$(STEP) "gofumpt" tools/empty.sh $(TOOLS)/gofumpt -l .
	@$(STEP) "go mod tidy -diff" go mod tidy -diff
	@$(STEP) "go build without cgo" env CGO_ENABLED=0 go build ./...
	@$(STEP) "go vet" go vet ./...
	@$(STEP) "go vet for darwin/arm64" env GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 go vet ./...
	@$(STEP) "go vet for linux/386" env GOARCH=386 CGO_ENABLED=0 go vet ./...
	@$(STEP) "go build for windows/amd64" env GOOS=windows GOARCH=amd64 CGO_ENABLED=0 go build ./...
	@$(STEP) "staticcheck" $(TOOLS)/staticcheck ./...

.PHONY: test-unit
test-unit: deps ## go test
	@$(STEP) "go test" env PYTHONPATH=$(abspath .cache)/clients/aggregation tools/test.sh -timeout 8m ./...

.PHONY: test-race
test-race: deps ## go test -race -short (needs a C compiler)
	@if command -v "$$(go env CC)" >/dev/null; then \
		$(STEP) "go test -race" env CGO_ENABLED=1 tools/test.sh -race -short -timeout 10m ./...; \
	else \
		echo "SKIPPED go test -race: it links C code, and there is no C compiler ($$(go env CC))"; \
	fi

.PHONY: test-fuzz
test-fuzz: deps ## run every fuzz target for a moment
	@$(STEP) "fuzz" tools/fuzz.sh smoke

.PHONY: test-examples
test-examples: ## build and run the examples, which are modules of their own
	@for dir in examples/*/; do \
		if [ -f "$$dir/go.mod" ]; then $(STEP) "$$dir" go -C "$$dir" run .; fi; \
	done

.PHONY: test-adapters
test-adapters: deps ## vet and test the adapters, which are modules of their own
	@for module in adapters/*/go.mod; do \
		dir=$$(dirname "$$module"); \
		$(STEP) "$$dir: go mod tidy -diff" go -C "$$dir" mod tidy -diff; \
		$(STEP) "$$dir: go vet" go -C "$$dir" vet ./...; \
		$(STEP) "$$dir: go test" tools/test.sh -C "$$dir" -timeout 5m ./...; \
	done

.PHONY: test-peers
test-peers: deps ## vet and test the modules of the peers and of the S3 server; servers that are not installed are skipped
	@for module in bench/peers/*/go.mod backup/store/s3/servertest/go.mod; do \
		dir=$$(dirname "$$module"); \
		$(STEP) "$$dir: go mod tidy -diff" go -C "$$dir" mod tidy -diff; \
		$(STEP) "$$dir: go vet" go -C "$$dir" vet ./...; \
		$(STEP) "$$dir: go test" tools/test.sh -C "$$dir" -timeout 5m ./...; \
	done

.PHONY: test-clients
test-clients: deps ## run the CLI, SDKs, producers and connectors of others; those that are not installed are skipped
	@$(STEP) "clients: go mod tidy -diff" go -C clients mod tidy -diff
	@$(STEP) "clients: go vet" go -C clients vet ./...
	@$(STEP) "clients: go test" tools/test.sh -C clients -count=1 -timeout 15m ./...

.PHONY: test-powercut
test-powercut: ## cut the power of a FUSE disk under real processes; fail and delay its syncs; soak for a moment
	@if [ "$$(uname)" = Linux ]; then \
		$(STEP) "tools/powercut: go mod tidy -diff" go -C tools/powercut mod tidy -diff; \
		$(STEP) "tools/powercut: go vet" go -C tools/powercut vet ./...; \
		$(STEP) "tools/powercut: go test" tools/powercut/test.sh; \
	else \
		echo "SKIPPED tools/powercut: it mounts FUSE file systems as Linux does"; \
	fi

.PHONY: test-bench
test-bench: ## twenty seconds of the harness, from planned load to report; asserts nothing about time
	@$(STEP) "bench smoke" tools/bench_smoke.sh

.PHONY: test-models
test-models: deps ## vet and test the generator of AWS's tables; are its files those that it makes?
	@$(STEP) "tools/awsmodel: go mod tidy -diff" go -C tools/awsmodel mod tidy -diff
	@$(STEP) "tools/awsmodel: go vet" go -C tools/awsmodel vet ./...
	@$(STEP) "tools/awsmodel: go test" tools/test.sh -C tools/awsmodel -timeout 5m ./...

.PHONY: models
models: ## make the tables and structs of AWS's services again, from botocore on PyPI
	clients/install.sh models
	go -C tools/awsmodel run . -top ../.. -wheel $(abspath .cache)/clients/models/botocore-*.whl

.PHONY: lint
lint: ## golangci-lint; building it takes minutes, so it is not part of `make test`
	@test -x $(TOOLS)/golangci-lint || GOBIN=$(abspath $(TOOLS)) go install $(GOLANGCI_LINT)
	$(TOOLS)/golangci-lint run ./...

.PHONY: format
format: deps ## gofumpt, in place
	$(TOOLS)/gofumpt -w .

.PHONY: bench
bench: ## the Go benchmarks, once
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: bench-gate
bench-gate: ## fail if the working tree is slower than the last landed commit (minutes; wants an idle machine)
	@go run ./cmd/millrace bench gate

.PHONY: bench-peers
bench-peers: ## install the peers and measure us against them, quickly
	@bench/peers/install.sh
	@go run ./cmd/millrace bench peers --quick

.PHONY: bench-docs
bench-docs: ## write docs/benchmarks.md again from the committed results
	@go run ./cmd/millrace bench report bench/results/peers.json --markdown docs/benchmarks.md --png docs/images/bench

.PHONY: nightly
nightly: deps ## what takes hours: kill rounds, crash images, full disks, power cuts, soak, every bit and sector, long fuzzing
	MILLRACE_KILL_ROUNDS=$(NIGHTLY_KILL_ROUNDS) MILLRACE_CRASH_IMAGES=$(NIGHTLY_CRASH_IMAGES) \
		MILLRACE_CRASH_OPERATIONS=$(NIGHTLY_CRASH_OPERATIONS) MILLRACE_FLIPS=$(NIGHTLY_FLIPS) \
		MILLRACE_MISDIRECT_BYTES=$(NIGHTLY_MISDIRECT_BYTES) MILLRACE_FULL_LOOPS=$(NIGHTLY_FULL_LOOPS) \
		go test -count=1 -timeout 0 ./...
	MILLRACE_RAFT_GROUPS=$(NIGHTLY_RAFT_GROUPS) go -C adapters/etcdraft test -count=1 -timeout 0 ./...
	MILLRACE_POWER_CUTS=$(NIGHTLY_POWER_CUTS) MILLRACE_SOAK=$(NIGHTLY_SOAK) MILLRACE_SOAK_FAULT_EVERY=1m tools/powercut/test.sh
	tools/fuzz.sh each $(NIGHTLY_FUZZ_SECONDS)

.PHONY: clean
clean: ## remove what the other targets made
	rm -rf bin .cache
