# The two commands: `make demo` and `make test`. Both do everything that they need.

GOLANGCI_LINT := v2.15.0
GOFUMPT := v0.12.0
export CGO_ENABLED := 0
BUILD := go build -trimpath -ldflags='-s -w'
DEMO := examples/build

.PHONY: all build demo tables test bench bench-gate lint test-long fuzz clean engine

all: build

build:
	$(BUILD) -o bin/bottle ./cmd/bottle

# What the demo's script names: two images of one static program each, and the
# certificates of its private API.
$(DEMO)/agent.tar $(DEMO)/upstream.tar: $(wildcard examples/hello/*/*.go)
	mkdir -p $(DEMO)
	$(BUILD) -o $(DEMO)/agent ./examples/hello/agent
	$(BUILD) -o $(DEMO)/upstream ./examples/hello/upstream
	tar -C $(DEMO) --owner=0 --group=0 --mtime=@0 -cf $(DEMO)/agent.tar agent
	tar -C $(DEMO) --owner=0 --group=0 --mtime=@0 -cf $(DEMO)/upstream.tar upstream
	$(DEMO)/upstream -init $(DEMO)

engine:
	@sh examples/engine.sh

demo: build engine $(DEMO)/agent.tar
	@sh examples/demo.sh

test: build engine $(DEMO)/agent.tar
	go vet ./...
	CGO_ENABLED=1 go test -race -timeout 15m ./...
	BOTTLE_BULK=1 go test -run TestBulk ./sidecar/dlp ./sidecar/git ./sidecar/credproxy ./starlib

# Two tables: docs/bench.md says what is in them. Compose is built from source, in the
# benchmark's own module.
bench: build engine $(DEMO)/agent.tar bin/bench/compose
	@sh tests/bench/nginx.sh
	cd tests/bench && $(BUILD) -o ../../bin/bench/ . ./feed
	@bin/bench/bench -C . -compose bin/bench/compose -feed bin/bench/feed $(BENCH)

bin/bench/compose: tests/bench/go.mod
	cd tests/bench && $(BUILD) -o ../../$@ github.com/docker/compose/v2/cmd

lint:
	go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT) run ./...

# The fuzz targets whose names match FUZZ, for FUZZ_SECONDS each; all for a minute in
# make test-long.
FUZZ_SECONDS := 3
FUZZ := Eval|CanonicalHost|FuzzMatch$$|Decide|TargetsOnTheWire|Opening
fuzz:
	sh tests/fuzz.sh $(FUZZ_SECONDS) '$(FUZZ)'

# Twenty launches at once, a gibibyte each way, a long push, a fault at every call, and each fuzz target for a minute.
test-long: build engine $(DEMO)/agent.tar
	BOTTLE_LONG=1 go test -count=1 -v -timeout 60m -run 'TestManyAtOnce|TestLargeBodies|TestGitPush|TestFault|TestInterruptAtEveryStep|TestQuickOutput' ./tests
	sh tests/fuzz.sh 60

clean:
	rm -rf bin $(DEMO)

# What the gate stops of secrets and, wrongly, of ordinary traffic; and its scanner
# beside gitleaks' own detector.
tables:
	BOTTLE_LONG=1 BOTTLE_BULK=1 go test -count=1 -v -run 'TestTable|TestBulkTable' ./sidecar/pipelock ./sidecar/dlp
	cd tests/gitleaks && go test -count=1 -v .

# The gate beside bare goproxy.
bench-gate:
	cd tests/goproxy && go test -run '^$$' -bench . -benchtime 3s .
