#!/bin/bash
# Builds the packages of the committed state for other architectures, for Debian and as RPM, and runs the unit tests of
# each under QEMU: packaging/cross.sh [ARCH...], by default arm64 s390x ppc64el. Packages go to $DIST, by default target/dist.
#
# All of it is done in a root of Debian sid, with the distribution's own Rust and cross compilers. The root is made by
# the first run and kept in target/cross with what was compiled; without that folder, the next run makes a newer one.
# Needs root, a network for the first run, and cargo for obtaining the crates.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The architectures, each with the processor in its GNU name.
ARCHES=(arm64 s390x ppc64el)
declare -A CPUS=([arm64]=aarch64 [s390x]=s390x [ppc64el]=powerpc64le)
NATIVE=$(dpkg --print-architecture)

fail() {
    echo "cross.sh: $1" >&2
    exit "${2:-1}"
}

[ $# -gt 0 ] || set -- "${ARCHES[@]}"
for arch in "$@"; do
    [ "$arch" != "$NATIVE" ] || fail "$arch is the architecture of this machine: packaging/deb.sh builds for it" 64
    [ -n "${CPUS[$arch]-}" ] || fail "no architecture called '$arch'; there are: ${ARCHES[*]}" 64
done

# Mounts are only seen here, and whatever is still running ends with this script.
if [ "${KINDLING_CROSS_NAMESPACE-}" != own ]; then
    export KINDLING_CROSS_NAMESPACE=own
    exec unshare --mount --pid --fork --kill-child --mount-proc packaging/cross.sh "$@"
fi

dist=$(realpath -m "${DIST:-target/dist}")
work=$(realpath -m target/cross)
root=$work/root

make_root() {
    local include=cargo,rustc,gcc,libc6-dev,make,git,python3,debhelper,dpkg-dev,qemu-user,rpm
    local arch architectures=$NATIVE
    for arch in "${ARCHES[@]}"; do
        [ "$arch" != "$NATIVE" ] || continue
        architectures+=,$arch
        include+=,gcc-${CPUS[$arch]}-linux-gnu,libc6-dev:$arch,libstd-rust-dev:$arch
    done
    [ "$(cat "$work/root.packages" 2>/dev/null)" != "$include" ] || return 0

    echo "cross.sh: making a root of Debian sid in $root"
    rm -rf "$root" "$work/root.packages"
    mkdir -p "$work"
    # A mirror may be behind by more than the week that an index of sid is valid.
    mmdebstrap --variant=minbase --architectures="$architectures" --include="$include" \
        --aptopt='Acquire::Check-Valid-Until "false"' sid "$root"
    echo "$include" > "$work/root.packages"
}

# Runs a command in the root, in the source. Nothing of this machine's environment reaches it.
in_root() {
    env --ignore-environment PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        CARGO_HOME=/cargo CARGO_TARGET_DIR=/build/target ${CARGO_BUILD_JOBS:+"CARGO_BUILD_JOBS=$CARGO_BUILD_JOBS"} \
        chroot "$root" env --chdir=/source "$@"
}

# The committed state, and the crates that its Cargo.lock names.
fill_root() {
    rm -rf "$root/source" "$root/dist" "$root/build/tree"
    git clone --quiet --no-hardlinks . "$root/source"
    mkdir -p "$root/cargo"
    # Files that are extracted once more would be compiled once more.
    if ! cmp --quiet "$root/source/Cargo.lock" "$root/cargo/Cargo.lock"; then
        cargo vendor --quiet --locked --versioned-dirs --manifest-path "$root/source/Cargo.toml" "$root/cargo/vendor" > /dev/null
        cp "$root/source/Cargo.lock" "$root/cargo"
    fi
    cat > "$root/cargo/config.toml" << 'CONFIG'
[source.crates-io]
replace-with = "vendored-sources"
[source.vendored-sources]
directory = "/cargo/vendor"
CONFIG
}

check_rust() {
    local wanted there
    wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
    there=$(in_root rustc --version | cut --delimiter=' ' --fields=2)
    printf '%s\n' "$wanted" "$there" | sort --check=quiet --version-sort ||
        fail "rustc of Debian sid is $there; kindling needs $wanted; remove $work for a newer root"
}

packages() {
    local arch=$1
    in_root packaging/deb.sh --arch "$arch" /dist /build/tree
    rm -rf "$root/build/tree"
    lintian --fail-on error,warning "$root"/dist/*_"$arch".deb

    local cpu=${CPUS[$arch]}
    local name=${cpu/powerpc/ppc}
    in_root "EMULATOR=qemu-$name" packaging/rpm.sh --arch "$name" /dist "/build/target/$cpu-unknown-linux-gnu/release/kindling"
    rpmlint --ignore-unused-rpmlintrc --rpmlintrc packaging/rpm/rpmlintrc "$root"/dist/*."$name".rpm
}

unit_tests() {
    local arch=$1
    local cpu=${CPUS[$arch]}
    local target=$cpu-unknown-linux-gnu
    local name=CARGO_TARGET_${target//-/_}
    in_root "${name^^}_LINKER=$cpu-linux-gnu-gcc" "${name^^}_RUNNER=qemu-${cpu/powerpc/ppc}" \
        cargo test --locked --lib --target "$target"
}

make_root
mount -t proc proc "$root/proc"
fill_root
check_rust
mkdir -p "$dist"
for arch in "$@"; do
    echo "cross.sh: $arch: packages"
    packages "$arch"
    echo "cross.sh: $arch: unit tests"
    unit_tests "$arch"
    mv "$root"/dist/* "$dist"
done
