# Commands people use. What continuous integration runs is `.ci/run`, which calls these.

CARGO   ?= cargo
PREFIX  ?= /usr
DESTDIR ?=

BINDIR  = $(DESTDIR)$(PREFIX)/bin
MANDIR  = $(DESTDIR)$(PREFIX)/share/man/man1
BASHDIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR  = $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions
FISHDIR = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

.PHONY: help build release demo test lint bench install clean

help:
	@echo 'make demo      plan and apply an example to a disk image, then look at the result (root)'
	@echo 'make test      all tests, the real-kernel lab among them (root)'
	@echo 'make lint      formatting and lints, warnings denied'
	@echo 'make bench     speed, memory and size beside Ignition (root)'
	@echo 'make release   target/release/kindling'
	@echo 'make install   binary, man pages, completions; DESTDIR= and PREFIX= are honoured'

build:
	$(CARGO) build

release:
	$(CARGO) build --release

demo:
	tests/needs.sh build demo
	examples/demo.sh

test:
	tests/needs.sh build demo test
	$(CARGO) test

lint:
	tests/needs.sh build
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings

bench: release
	tests/needs.sh bench
	benches/bench.py

install: release
	install -D -m 0755 target/release/kindling $(BINDIR)/kindling
	install -d $(MANDIR) $(BASHDIR) $(ZSHDIR) $(FISHDIR)
	target/release/kindling man $(MANDIR)
	target/release/kindling completions bash > $(BASHDIR)/kindling
	target/release/kindling completions zsh > $(ZSHDIR)/_kindling
	target/release/kindling completions fish > $(FISHDIR)/kindling.fish

clean:
	$(CARGO) clean
