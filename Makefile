# make demo   a real parameter sweep in containers, from nothing
# make test   everything that CI checks

SHELL := /bin/bash
PREFIX ?= $(HOME)/.local
BIN := .build/bin
EXECUTABLES := martlet martlet-agent martlet-runtime martlet-nvml

.PHONY: build demo test test-python test-optuna test-long bench lint install install-texts clean

build:
	@.ci/packages build
	swift build -c release
	@mkdir -p $(BIN)
	@for e in $(EXECUTABLES); do \
		strip -o $(BIN)/.$$e.new .build/release/$$e && mv -f $(BIN)/.$$e.new $(BIN)/$$e || exit 1; \
	done
	@echo "built: $(EXECUTABLES:%=$(BIN)/%)"

demo:
	@.ci/packages demo
	@$(MAKE) --no-print-directory build
	@JobSpecs/digits/demo

# One test after the other: most of them run processes of their own, and on two cores a crowd of them meets its time limits.
TEST := swift test --disable-xctest --no-parallel -debug-info-format none

test:
	@.ci/packages test
	@$(MAKE) --no-print-directory build lint test-python
	$(TEST)

# With the Python of Debian, which the packages belong to.
test-python:
	cd Clients/python && mypy && timeout 900 /usr/bin/python3 -m pytest -q -p no:cacheprovider

# With PyPI's optuna, which Debian 12 does not have.
test-optuna:
	@.ci/packages bench
	python3 -m venv .build/optuna
	.build/optuna/bin/pip install --quiet pytest ./Clients/python ./Clients/optuna
	cd Clients/optuna && ../../.build/optuna/bin/python -m pytest -q -p no:cacheprovider

test-long:
	@.ci/packages test
	@$(MAKE) --no-print-directory build test-optuna
	MARTLET_TEST_LONG=1 $(TEST)
	Tests/Sanitizers/run
	Tests/Fuzz/run 60

bench:
	@.ci/packages bench
	@$(MAKE) --no-print-directory build
	@Benchmarks/run

lint:
	swift format lint --strict --recursive Package.swift Sources Tests

install: build
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(EXECUTABLES:%=$(BIN)/%) $(DESTDIR)$(PREFIX)/bin/
	@$(MAKE) --no-print-directory install-texts

# What shells and man(1) read.
SHARE := $(DESTDIR)$(PREFIX)/share
install-texts:
	install -d $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	$(BIN)/martlet completion bash >$(SHARE)/bash-completion/completions/martlet
	$(BIN)/martlet completion zsh >$(SHARE)/zsh/site-functions/_martlet
	$(BIN)/martlet completion fish >$(SHARE)/fish/vendor_completions.d/martlet.fish
	$(BIN)/martlet manual $(SHARE)/man/man1

clean:
	rm -rf .build
