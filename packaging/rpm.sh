#!/bin/bash
# Builds the RPM packages from the committed state: packaging/rpm.sh OUT [BINARY]. With BINARY, nothing is compiled.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=$(realpath -m "${1:?usage: packaging/rpm.sh OUT [BINARY]}")
binary=${2:+$(realpath "$2")}

SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
mkdir -p "$tree/SOURCES" "$out"
git archive --prefix "kindling-$version/" HEAD | gzip --no-name > "$tree/SOURCES/kindling-$version.tar.gz"

# The build host may be of another distribution, so build dependencies are not checked.
defines=(--define "_topdir $tree" --define "kindling_version $version" --define "_buildhost reproducible"
    --define "kindling_date $(LC_ALL=C date --utc --date "@$SOURCE_DATE_EPOCH" '+%a %b %d %Y')"
    --define "use_source_date_epoch_as_buildtime 1" --define "clamp_mtime_to_source_date_epoch 1")
[ -n "$binary" ] && defines+=(--define "binary $binary")
rpmbuild -bb --nodeps "${defines[@]}" packaging/rpm/kindling.spec
mv "$tree"/RPMS/*/*.rpm "$out"
