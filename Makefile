# Commands people use. What continuous integration runs is `.ci/run`, which calls these.

CARGO   ?= cargo
PREFIX  ?= /usr
DESTDIR ?=

BINDIR  = $(DESTDIR)$(PREFIX)/bin
MANDIR  = $(DESTDIR)$(PREFIX)/share/man/man1
BASHDIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR  = $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions
FISHDIR = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
LIBEXECDIR = $(DESTDIR)$(PREFIX)/libexec
MODULESDIR = $(DESTDIR)$(PREFIX)/lib/dracut/modules.d
UNITDIR    = $(DESTDIR)$(PREFIX)/lib/systemd/system
GRUBDIR    = $(DESTDIR)$(PREFIX)/lib/bootupd/grub2-static/configs.d

SHELL_FILES = $(wildcard .ci/run benches/*.sh fuzz/*.sh tests/*.sh tests/*/*.sh examples/*.sh dracut/30kindling/*.sh dracut/real-root/*.sh packaging/*.sh)

BINARY = target/release/kindling

# For each target of `make fuzz`.
FUZZ_SECONDS ?= 60

.PHONY: help build release size demo check test test-foresight test-afterburn test-storage test-boot test-boot-quick test-packages test-cloud-init test-pages lint bench bench-boot bench-fetch bench-platforms bench-storage fuzz deb rpm cross dist book
.PHONY: install install-files install-as-ignition clean

help:
	@echo 'make demo      plan and apply an example to a disk image, then look at the result (root)'
	@echo 'make check     formatting, lints and the tests that need neither root nor other programs'
	@echo 'make test      all tests, the real-kernel lab among them (root)'
	@echo 'make test-foresight  10,000 random configs on trees and 2,000 on images: plan, apply, plan again (root)'
	@echo 'make test-afterburn   metadata beside the agent of that name, AFTERBURN=PATH (root)'
	@echo 'make test-boot whole machines in QEMU from power-on to the real root (root)'
	@echo 'make test-packages  the Debian packages on a fresh Debian in QEMU, PACKAGES_ARCH=arm64 for an emulated arm64 (root)'
	@echo 'make test-cloud-init  the same user data by Debian'"'"'s cloud-init and by kindling: their trees and their time (root)'
	@echo 'make test-pages pages of reports and plans in Chromium: what they show, keys, accessibility'
	@echo 'make lint      formatting, lints with warnings denied, and the licences and versions of crates'
	@echo 'make bench     speed, memory and size beside Ignition and cloud-init (root)'
	@echo 'make bench-boot the stages of a first boot in QEMU beside Ignition (root)'
	@echo 'make bench-fetch  fetching beside Ignition, and beside curl'
	@echo 'make bench-platforms  obtaining a config from the services of clouds beside Ignition (root)'
	@echo 'make bench-storage  disks, partitions and file systems beside Ignition and the bare commands (root)'
	@echo 'make fuzz      hostile disks, configs, URLs, certificates and packets, FUZZ_SECONDS=60 for each'
	@echo 'make release   target/release/kindling'
	@echo 'make size      fails if the program has grown beyond what an initramfs is to carry'
	@echo 'make book      the documentation as a site, in target/book (cargo install mdbook)'
	@echo 'make dist      packages for Debian, Fedora and openSUSE with their bills of materials and checksums, in target/dist'
	@echo 'make cross     packages for ARCHES="arm64 s390x ppc64el" and their unit tests under QEMU (root); make dist CROSS=1 adds them'
	@echo 'make install   binary, dracut module, units, man pages, completions; DESTDIR= and PREFIX= are honoured'
	@echo 'make install-as-ignition   the binary in the places of an installed Ignition, and nothing else'

build:
	$(CARGO) build

release:
	$(CARGO) build --release

demo:
	tests/needs.sh build demo
	examples/demo.sh

# What is quick and runs everywhere, without root: for the time between two changes.
check:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	$(CARGO) test --lib --test pure

# Bytes of the stripped program, at most.
MAX_BINARY_BYTES = 9500000
size: release
	@bytes=$$(stat -c %s $(BINARY)); echo "$(BINARY): $$bytes bytes, at most $(MAX_BINARY_BYTES)"; \
	test $$bytes -le $(MAX_BINARY_BYTES)

# Both builds at once: the last step of a release has one thread only.
test:
	tests/needs.sh build demo test
	$(CARGO) build --release & release=$$!; $(CARGO) test --no-run; built=$$?; wait $$release && exit $$built
	KINDLING_LAB_BINARY=$(CURDIR)/$(BINARY) CARGO="$(CARGO)" tests/run.sh

# Random configs on random trees and images, of a fresh seed. One round again: the command that a failure shows.
FORESIGHT_TREES  ?= 10000
FORESIGHT_IMAGES ?= 2000
test-foresight:
	tests/needs.sh build demo test
	KINDLING_FORESIGHT_ROUNDS=$(FORESIGHT_TREES) $(CARGO) test --test foresight trees_of_a_fresh_seed -- --nocapture
	KINDLING_FORESIGHT_ROUNDS=$(FORESIGHT_IMAGES) $(CARGO) test --test foresight images_of_a_fresh_seed -- --nocapture

# With what a plain run leaves out: every case of the lab, a hundred power cuts, two hundred runs after each other, 10,000
# rounds against sgdisk. Takes more than an hour.
test-storage:
	tests/needs.sh build demo test
	$(MAKE) release
	KINDLING_LAB_BINARY=$(CURDIR)/$(BINARY) $(CARGO) test --test lab -- --all
	KINDLING_LAB_BINARY=$(CURDIR)/$(BINARY) $(CARGO) test --test lab -- --repeat 200 harness::links-are-not-raced
	KINDLING_LAB_BINARY=$(CURDIR)/$(BINARY) $(CARGO) test --test lab -- --power-cuts 100
	$(CARGO) test --test tools ten_thousand -- --ignored

# `kindling metadata` beside Afterburn 5.11 (`cargo install afterburn@5.11.0`).
AFTERBURN ?= afterburn
test-afterburn:
	tests/needs.sh build test
	KINDLING_AFTERBURN=$$(command -v $(AFTERBURN)) $(CARGO) test --test network common_platforms_have_equal_metadata -- --ignored

# Whole machines in QEMU, from power-on to the real root. One of them: tests/boot/run.py NAME; --list names them.
test-boot: release
	tests/needs.sh boot
	tests/boot/run.py

test-boot-quick: release
	tests/needs.sh boot
	tests/boot/run.py --quick

# The Debian packages on a fresh Debian in QEMU: installed, a first boot with the lines of the README, a login, removed.
# arm64 is emulated, and takes half an hour after its packages are built.
PACKAGES_ARCH ?= amd64
test-packages:
	tests/needs.sh boot boot-packages
	$(MAKE) $(if $(filter amd64,$(PACKAGES_ARCH)),deb,cross ARCHES=$(PACKAGES_ARCH))
	tests/boot/packages.py --arch $(PACKAGES_ARCH) --packages $(DIST)

# Trees of both side by side, and a tenth of the time at most. The first run makes a Debian root.
test-cloud-init: release
	tests/needs.sh cloud-init
	tests/cloud_init/run.sh --time

# Installs Chromium.
test-pages: release
	tests/needs.sh pages
	tests/pages/run.py

lint:
	tests/needs.sh build lint
	shellcheck $(SHELL_FILES)
	$(CARGO) deny --config .ci/deny.toml check licenses bans sources
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	$(CARGO) check --quiet --locked --all-targets --manifest-path fuzz/Cargo.toml

bench: size
	tests/needs.sh bench cloud-init
	benches/bench.py
	tests/cloud_init/run.sh --time

bench-boot: release
	tests/needs.sh boot bench
	benches/boot.py

bench-fetch: release
	tests/needs.sh bench bench-fetch
	benches/fetch.py

bench-storage: release
	tests/needs.sh bench-storage
	benches/storage.py

bench-platforms: release
	tests/needs.sh bench bench-platforms
	benches/platforms.py

fuzz:
	tests/needs.sh build fuzz
	fuzz/run.sh $(FUZZ_SECONDS)

install: release
	$(MAKE) install-files

# Packages of the committed state.
DIST = target/dist
deb:
	tests/needs.sh build packages
	packaging/deb.sh $(DIST)
	lintian --fail-on error,warning $(DIST)/*.deb

# Of the binary that the Debian package has.
rpm: deb
	dpkg-deb --fsys-tarfile $(DIST)/kindling_*_$$(dpkg --print-architecture).deb | tar --extract --to-stdout ./usr/bin/kindling > $(DIST)/.kindling
	chmod 0755 $(DIST)/.kindling
	packaging/rpm.sh $(DIST) $(DIST)/.kindling
	rpmlint --rpmlintrc packaging/rpm/rpmlintrc $(DIST)/*.rpm
	rm $(DIST)/.kindling

# For other architectures, with their unit tests under QEMU. The first run makes a Debian root in target/cross.
ARCHES ?= arm64 s390x ppc64el
cross:
	tests/needs.sh cross
	DIST=$(DIST) packaging/cross.sh $(ARCHES)

# With CROSS=1 for other architectures too, which takes long.
dist:
	rm -rf $(DIST)
	$(MAKE) rpm
	$(if $(CROSS),$(MAKE) cross)
	git archive --format=tar.gz --prefix=kindling/ --output=$(DIST)/kindling.tar.gz HEAD
	cd $(DIST) && sha256sum * > SHA256SUMS

book:
	mdbook build docs

# What "install" lays out, of a binary that is there already. One for another architecture is started by EMULATOR.
install-files:
	install -D -m 0755 $(BINARY) $(BINDIR)/kindling
	ln -sfn kindling $(BINDIR)/ignition-validate
	install -d $(LIBEXECDIR) $(MANDIR) $(BASHDIR) $(ZSHDIR) $(FISHDIR)
	ln -sfn ../bin/kindling $(LIBEXECDIR)/ignition-apply
	ln -sfn ../bin/kindling $(LIBEXECDIR)/ignition-rmcfg
	$(EMULATOR) $(BINARY) man $(MANDIR)
	$(EMULATOR) $(BINARY) completions bash > $(BASHDIR)/kindling
	$(EMULATOR) $(BINARY) completions zsh > $(ZSHDIR)/_kindling
	$(EMULATOR) $(BINARY) completions fish > $(FISHDIR)/kindling.fish
	install -d $(MODULESDIR)/30kindling
	install -m 0755 $(wildcard dracut/30kindling/*.sh) $(MODULESDIR)/30kindling
	install -m 0644 $(filter-out %.sh,$(wildcard dracut/30kindling/*)) $(MODULESDIR)/30kindling
	install -D -m 0755 dracut/real-root/kindling-firstboot-complete.sh $(LIBEXECDIR)/kindling-firstboot-complete
	install -d $(UNITDIR)/sysinit.target.wants
	install -m 0644 $(wildcard dracut/real-root/*.service) $(UNITDIR)
	for unit in $(notdir $(wildcard dracut/real-root/*.service)); do \
		ln -sfn ../$$unit $(UNITDIR)/sysinit.target.wants/$$unit; done
	install -D -m 0644 dracut/grub/05_ignition.cfg $(GRUBDIR)/05_ignition.cfg

# For a distribution that has Ignition: its binaries are replaced, and nothing else.
install-as-ignition: release
	install -D -m 0755 $(BINARY) $(MODULESDIR)/30ignition/ignition
	install -d $(LIBEXECDIR) $(BINDIR)
	ln -sfn ../lib/dracut/modules.d/30ignition/ignition $(LIBEXECDIR)/ignition-apply
	ln -sfn ../lib/dracut/modules.d/30ignition/ignition $(LIBEXECDIR)/ignition-rmcfg
	install -m 0755 $(BINARY) $(BINDIR)/ignition-validate

clean:
	$(CARGO) clean
