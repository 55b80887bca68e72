# Dossier. `make help` lists the targets.
GO      ?= go
# The Google client without gRPC: 21 MB instead of 34.
TAGS    ?= disable_grpc_modules
BUILD   := $(GO) build -trimpath -ldflags=-s
BIN     := bin/dossier
# What make run builds, in 0.6 of the time of $(BIN): nothing is inlined and there is nothing for a debugger.
DEMO    := bin/dossier-demo
LINT    := bin/golangci-lint
export GOFLAGS := -tags=$(TAGS)

.PHONY: help deps build run test test-long test-short test-race test-clients-install lint fmt generate verify migrate bench altair clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## check Go, Node and PostgreSQL (in CI also Chromium and clamd), install what is missing
	@.ci/deps

build: ## build bin/dossier
	$(BUILD) -o $(BIN) ./cmd/dossier

run: deps ## serve on the embedded default, with sample customers
	$(BUILD) -gcflags='all=-l -dwarf=false' -o $(DEMO) ./cmd/dossier
	$(DEMO) dev

test: deps test-clients-install ## the whole test-suite
	$(GO) test -timeout 15m ./...

test-short: ## the tests that need no database
	$(GO) test -short ./...

test-long: deps ## the long forms of the fault tests, some minutes
	$(GO) test ./internal/document -run Matrix -document.long
	$(GO) test ./test/system -system.long -timeout 20m

test-race: deps ## the whole test-suite with the race detector
	$(GO) test -race -timeout 30m ./...

test-clients-install: ## install the public clients that the tests drive
	@cd test/clients && [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund --loglevel=error

fmt: $(LINT) ## format
	$(LINT) fmt

lint: $(LINT) ## static checks
	$(LINT) run ./...

$(LINT): .ci/tools/go.mod .ci/tools/go.sum
	cd .ci/tools && GOFLAGS= $(GO) build -o ../../$(LINT) github.com/golangci/golangci-lint/v2/cmd/golangci-lint

generate: ## make the generated code again
	$(GO) run ./internal/genent
	$(GO) run ./internal/gengql

migrate: ## make the next migration from ent/schema: make migrate name=add_notes
	$(GO) run ./internal/store/gendiff $(name)

verify: deps generate ## prove that the generated code and the migrations are fresh
	$(GO) run ./internal/store/gendiff -check
	$(GO) mod verify
	@test -z "$$(git status --porcelain -- ent graph internal/store/migrations)" || \
		{ git status --short -- ent graph internal/store/migrations; echo "generated code is stale: run make generate and commit"; exit 1; }

bench: deps build ## measure beside a LIMIT server and PostGraphile; takes about 30 minutes
	.ci/bench

altair: ## fetch the query page's build again from npm
	internal/server/altair.sh

clean: ## remove what was built
	rm -rf bin
