#!/bin/bash
# Builds the Debian packages from the committed state: packaging/deb.sh [--arch ARCH] OUT [TREE]. The source is built in
# TREE, by default a temporary directory. Builds are reproducible: the same commit gives the same bytes in any directory.
# For an ARCH other than this machine's, its compiler, its libraries, Rust's among them, and qemu-user must be installed;
# packaging/cross.sh makes a root that has them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
arch=$(dpkg --print-architecture)
# The name of the bill of materials does not tell this machine's architecture.
suffix=
if [ "${1-}" = --arch ]; then
    [ "$2" = "$arch" ] || suffix=_$2
    arch=$2
    shift 2
fi
out=$(realpath -m "${1:?usage: packaging/deb.sh [--arch ARCH] OUT [TREE]}")

# Use crates that cargo has already fetched.
CARGO_HOME=${CARGO_HOME:-$HOME/.cargo}
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export CARGO_HOME SOURCE_DATE_EPOCH
if [ $# -gt 1 ]; then
    tree=$(realpath -m "$2")
    mkdir -p "$tree"
else
    tree=$(mktemp -d)
    trap 'rm -rf "$tree"' EXIT
fi

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
source=$tree/kindling-$version
mkdir -p "$source" "$out"
# With the present time, so that cargo sees changes if it builds where it built before. Packages get the time of the commit.
git archive HEAD | tar --extract --touch --directory "$source"
cp -r packaging/debian "$source/debian"
cat > "$source/debian/changelog" << CHANGELOG
kindling ($version) unstable; urgency=medium

  * See CHANGELOG.md.

 -- The kindling authors <kindling@kindling.example>  $(LC_ALL=C date --utc --rfc-email --date "@$SOURCE_DATE_EPOCH")
CHANGELOG
# The tests that debhelper would offer to run are those of `make test`.
export DEB_BUILD_OPTIONS=nocheck
(cd "$source" && dpkg-buildpackage --build=binary --host-arch "$arch" --no-sign --no-check-builddeps)
mv "$tree"/*.deb "$out"
target=$(dpkg-architecture --host-arch "$arch" --query DEB_HOST_GNU_CPU)-unknown-linux-gnu
(cd "$source" && CARGO_BUILD_TARGET=$target packaging/crates.py cyclonedx) > "$out/kindling-$version$suffix.cdx.json"
