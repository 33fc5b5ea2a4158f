#!/bin/bash
# Builds the Debian packages from the committed state: packaging/deb.sh OUT [TREE]. The source is built in TREE, by
# default a temporary directory. Builds are reproducible: the same commit gives the same bytes in any directory.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=$(realpath -m "${1:?usage: packaging/deb.sh OUT [TREE]}")

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
git archive HEAD | tar --extract --directory "$source"
cp -r packaging/debian "$source/debian"
cat > "$source/debian/changelog" << CHANGELOG
kindling ($version) unstable; urgency=medium

  * See CHANGELOG.md.

 -- The kindling authors <kindling@kindling.example>  $(LC_ALL=C date --utc --rfc-email --date "@$SOURCE_DATE_EPOCH")
CHANGELOG
(cd "$source" && dpkg-buildpackage --build=binary --no-sign --no-check-builddeps)
mv "$tree"/*.deb "$out"
(cd "$source" && packaging/crates.py cyclonedx) > "$out/kindling-$version.cdx.json"
