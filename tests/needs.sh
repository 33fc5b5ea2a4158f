#!/bin/bash
# Makes sure that the Debian packages a job needs are there: tests/needs.sh build|lint|demo|test|cloud-init|bench|bench-fetch|bench-platforms|bench-storage|boot|boot-packages|fuzz|pages|packages|cross ...
# Installs the missing ones when it runs as root on a system with apt-get; else names them and fails.
set -euo pipefail

# The packages of each job.
packages_of() {
    case "$1" in
        build) echo gcc libc6-dev make ;;
        demo)  echo python3 e2fsprogs xfsprogs btrfs-progs dosfstools util-linux mount fdisk gdisk passwd ;;
        test)  echo mdadm cryptsetup-bin clevis clevis-luks clevis-tpm2 jose tang swtpm swtpm-tools tpm2-tools lvm2 dmsetup kpartx \
                    curl socat gnupg openssh-client nginx-light tinyproxy-bin tftpd-hpa dnsmasq-base iproute2 user-mode-linux busybox-static udev kmod openssl python3 python3-venv procps \
                    xorriso udftools qemu-utils systemd ;;
        lint)  echo g++ shellcheck ;;
        boot)  echo mmdebstrap dracut dracut-network linux-image-cloud-amd64 systemd udev dbus kmod iproute2 \
                    e2fsprogs xfsprogs dosfstools btrfs-progs fdisk gdisk passwd mdadm cryptsetup-bin python3 \
                    qemu-system-x86 qemu-system-common qemu-utils seabios ignition \
                    grub-common grub-pc-bin xorriso genisoimage mtools openssh-client openssl \
                    etcd-server etcd-client ;;
        boot-packages)
               echo arch-test ovmf qemu-system-arm qemu-efi-aarch64 qemu-user-static ;;
        cloud-init) echo mmdebstrap python3 mount util-linux tar ;;
        bench) echo python3 time ignition ;;
        bench-fetch)
               echo python3 time ignition nginx-light curl coreutils gzip ;;
        bench-platforms)
               echo python3 time ignition iproute2 util-linux ;;
        fuzz)  echo g++ ;;
        packages)
               echo debhelper dpkg-dev fakeroot git gzip lintian python3 rpm rpmlint tar ;;
        cross) echo mmdebstrap git lintian rpmlint util-linux ;;
        pages) echo chromium python3 python3-venv fdisk gdisk ;;
        bench-storage)
               echo python3 ignition user-mode-linux systemd udev kmod mount util-linux fdisk gdisk e2fsprogs ;;
        *)     echo "needs.sh: no job called '$1'; there are: build lint demo test cloud-init bench bench-fetch bench-platforms bench-storage boot boot-packages fuzz pages packages cross" >&2; exit 64 ;;
    esac
}

# The packages of QEMU fit together only in one version, and where backports are known, some may be installed, or
# would be taken, from there. So if one is missing, all are installed in the version of this one.
LEADER=qemu-system-x86
is_of_set() {
    case "$1" in
        qemu-system-x86 | qemu-system-arm | qemu-system-common | qemu-utils) ;;
        *) return 1 ;;
    esac
}

installed() {
    dpkg-query --show --showformat '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

wanted=()
for job in "$@"; do
    list=$(packages_of "$job")
    read -ra words <<< "$list"
    wanted+=("${words[@]}")
done

needs_packages() {
    if ! command -v dpkg-query >/dev/null; then
        echo "needs.sh: not a Debian system; make sure that these are there: ${wanted[*]}" >&2
        return
    fi

    missing=()
    for package in "${wanted[@]}"; do
        installed "$package" || missing+=("$package")
        if is_of_set "$package" && ! installed "$LEADER"; then
            missing+=("$package")
        fi
    done
    [ ${#missing[@]} -eq 0 ] && return

    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "needs.sh: missing Debian packages: ${missing[*]}" >&2
        echo "needs.sh: as root: apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 1
    fi
    echo "installing: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # A kernel that only virtual machines boot needs no initramfs here.
    export INITRD=No
    apt-get update -q
    version=$(apt-cache policy "$LEADER" | sed -n 's/^ *Candidate: //p')
    for i in "${!missing[@]}"; do
        if is_of_set "${missing[i]}"; then
            missing[i]+="=$version"
        fi
    done
    apt-get install -q -y --no-install-recommends --allow-downgrades "${missing[@]}"
}

# `cargo deny` is in no release of Debian that is supported here. Built without what fetches advisories: that needs a network.
CARGO_DENY=0.20.2
needs_cargo_deny() {
    [ "$(cargo deny --version 2>/dev/null)" = "cargo-deny $CARGO_DENY" ] && return
    echo "installing: cargo-deny $CARGO_DENY"
    cargo install --quiet --locked --no-default-features "cargo-deny@$CARGO_DENY"
}

needs_packages
for job in "$@"; do
    if [ "$job" = lint ]; then
        needs_cargo_deny
    fi
done
