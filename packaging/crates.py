#!/usr/bin/env python3
"""Lists the crates that the program is linked with, from Cargo.lock and the metadata of the crates.

    packaging/crates.py text          # name, version and license, a line each
    packaging/crates.py cyclonedx     # a software bill of materials, CycloneDX 1.5 in JSON
"""

import json
import re
import subprocess
import sys


def main():
    crates = linked()
    if sys.argv[1:] == ["text"]:
        for crate in crates:
            print(f"{crate['name']} {crate['version']}: {crate['license']}")
    elif sys.argv[1:] == ["cyclonedx"]:
        json.dump(bill(crates), sys.stdout, indent=1, sort_keys=True)
        print()
    else:
        sys.exit(__doc__)


def linked():
    """The program and the crates it is linked with on Linux, without build and test dependencies."""
    tree = subprocess.run(["cargo", "tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"],
                          check=True, capture_output=True, text=True).stdout
    wanted = {tuple(re.match(r"(\S+) v(\S+)", line).groups()) for line in tree.splitlines() if line}
    metadata = json.loads(subprocess.run(["cargo", "metadata", "--locked", "--format-version", "1"],
                                         check=True, capture_output=True, text=True).stdout)
    packages = [p for p in metadata["packages"] if (p["name"], p["version"]) in wanted]
    return sorted(packages, key=lambda p: (p["name"], p["version"]))


def checksums():
    """SHA-256 digests of the crates, from Cargo.lock."""
    with open("Cargo.lock") as file:
        entries = file.read().split("[[package]]")
    found = {}
    for entry in entries:
        fields = dict(re.findall(r'^(\w+) = "([^"]*)"$', entry, re.MULTILINE))
        if "checksum" in fields:
            found[fields["name"], fields["version"]] = fields["checksum"]
    return found


def bill(crates):
    sums = checksums()
    own = next(c for c in crates if c["name"] == "kindling")
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {"component": component(own, sums, "application")},
        "components": [component(c, sums, "library") for c in crates if c is not own],
        "dependencies": [{"ref": reference(own), "dependsOn": [reference(c) for c in crates if c is not own]}],
    }


def reference(crate):
    return f"pkg:cargo/{crate['name']}@{crate['version']}"


def component(crate, sums, kind):
    described = {
        "type": kind, "bom-ref": reference(crate), "name": crate["name"], "version": crate["version"],
        "purl": reference(crate), "licenses": [{"expression": crate["license"].replace("/", " OR ")}],
    }
    checksum = sums.get((crate["name"], crate["version"]))
    if checksum:
        described["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return described


if __name__ == "__main__":
    main()
