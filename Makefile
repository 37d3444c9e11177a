# Every task by name. The work is done by scripts/, which run from anywhere and build into one folder:
# target, or what CARGO_TARGET_DIR says.

.DEFAULT_GOAL := help
# One task after another: they share the build folder, and a measurement shares the machine with nothing.
.NOTPARALLEL:
.PHONY: help demo test lint header abi bench fuzz sim setup install uninstall clean

PREFIX ?= /usr/local

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## programs in C meet and talk, and a file is shared; FILE=... is the text they broadcast (README.md)
	@scripts/demo $(if $(FILE),"$(FILE)")

test: ## all tests: Rust, processes, C and C++ (plain, AddressSanitizer, valgrind), the installation, Python, Kotlin, Swift, the demo
	@scripts/test

lint: ## format, clippy, docs, licences, and whether include/psfs.h is what the code says
	@scripts/lint

header: ## write include/psfs.h and ffi/abi/symbols.txt anew from the code
	@scripts/header write

abi: ## write ffi/abi/libpsfs.abi anew: what programs that were built against psfs.h rely on
	@scripts/abi write

bench: ## measure; results in target/bench/results.jsonl
	@scripts/bench

fuzz: ## bytes at random into all that reads what strangers send; FUZZ_SECONDS for each target
	@scripts/fuzz

sim: ## the DHT in networks of up to 10,000 nodes in virtual time, and of up to 1,000 real ones beside it; minutes
	@scripts/sim

setup: ## check for the tools that the tasks need; install what is missing
	@scripts/setup build test lint

install: ## put libraries, headers, psfs, psfs.pc and the CMake package under PREFIX (default /usr/local); DESTDIR=... for packages
	@scripts/install "$(PREFIX)" "$(DESTDIR)"

uninstall: ## take away what `make install` put under PREFIX
	@scripts/install --undo "$(PREFIX)" "$(DESTDIR)"

clean: ## remove all that was built
	@cargo clean
