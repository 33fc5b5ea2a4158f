#!/bin/bash
# Builds the RPM packages from the committed state: packaging/rpm.sh [--arch ARCH] OUT [BINARY]. With BINARY, nothing is
# compiled. For an ARCH other than this machine's, in RPM's words, BINARY is needed, and $EMULATOR must be able to run it;
# the package without programs is not built then: it is the same for all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
usage="usage: packaging/rpm.sh [--arch ARCH] OUT [BINARY]"
arch=
if [ "${1-}" = --arch ]; then
    arch=${2:?$usage}
    shift 2
fi
out=$(realpath -m "${1:?$usage}")
binary=${2:+$(realpath "$2")}

SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
mkdir -p "$tree/SOURCES" "$out"
git archive --prefix "kindling-$version/" HEAD | gzip --no-name > "$tree/SOURCES/kindling-$version.tar.gz"

# The build host may be of another distribution, so build dependencies are not checked. Packages are in format 4, which
# every RPM in use reads; RPM 6 would write another by itself, and has another name for the policy of times.
defines=(--define "_topdir $tree" --define "kindling_version $version" --define "_buildhost reproducible"
    --define "kindling_date $(LC_ALL=C date --utc --date "@$SOURCE_DATE_EPOCH" '+%a %b %d %Y')"
    --define "use_source_date_epoch_as_buildtime 1" --define "clamp_mtime_to_source_date_epoch 1"
    --define "build_mtime_policy clamp_to_source_date_epoch" --define "_rpmformat 4")
[ -n "$binary" ] && defines+=(--define "binary $binary")
rpmbuild -bb --nodeps ${arch:+--target "$arch-linux"} "${defines[@]}" packaging/rpm/kindling.spec
[ -z "$arch" ] || rm -r "$tree/RPMS/noarch"
mv "$tree"/RPMS/*/*.rpm "$out"
