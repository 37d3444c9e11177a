# Every task by name. The work is done by scripts/, which run from anywhere and build into one folder:
# target, or what CARGO_TARGET_DIR says.

.DEFAULT_GOAL := help
# One task after another: they share the build folder, and a measurement shares the machine with nothing.
.NOTPARALLEL:
.PHONY: help demo test lint header bench fuzz setup clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## programs in C meet and talk; FILE=... is the text they broadcast (README.md)
	@scripts/demo $(if $(FILE),"$(FILE)")

test: ## all tests: Rust, processes, C (plain, AddressSanitizer, valgrind), the demo
	@scripts/test

lint: ## format, clippy, docs, licences, and whether include/psfs.h is what the code says
	@scripts/lint

header: ## write include/psfs.h and ffi/abi/symbols.txt anew from the code
	@scripts/header write

bench: ## measure; results in target/bench/results.jsonl
	@scripts/bench

fuzz: ## bytes at random into all that reads what strangers send; FUZZ_SECONDS for each target
	@scripts/fuzz

setup: ## check for the tools that the tasks need; install what is missing
	@scripts/setup build test lint

clean: ## remove all that was built
	@cargo clean
