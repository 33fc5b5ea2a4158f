#!/usr/bin/env python3
"""Compares speed and memory with Ignition: `make bench`, which checks the size of the program as well.

The config has 10,000 files of 1 KB (750 bytes in base64) and 500 units, 11 MB of JSON. Each measurement alternates
between both programs, so that they run under the same conditions, and compares medians. Exits with 1 if a target is
missed or the results differ.
"""

import argparse
import base64
import hashlib
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
KINDLING = REPOSITORY / "target/release/kindling"
PEER_VALIDATE = "/usr/bin/ignition-validate"
PEER_STAGES = "/usr/lib/dracut/modules.d/30ignition/ignition"

FILES = 10_000
FILE_BYTES = 750
UNITS = 500
DIRECTORIES = 100

VALIDATE_TIME = 1 / 8
VALIDATE_MEMORY = 1 / 2
FILES_TIME = 1 / 2
BUTANE_TIME = 1.5
FETCH_STAGE_TIME = 1 / 8
FILES_STAGE_TIME = 1 / 2
TAR_TIME = 1.7
TAR_MEMORY_MIB = 30

# A file system in memory, so that no disk affects the time.
TMPFS = "/dev/shm"


def big_config():
    """The config, the same bytes on every run. Version 3.3.0 is the newest that the packaged peer supports."""
    letters = random.Random(1)
    text = lambda: "".join(chr(letters.randint(32, 126)) for _ in range(FILE_BYTES)).encode()
    source = lambda: "data:;base64," + base64.b64encode(text()).decode()
    files = [
        {"path": f"/opt/data/d{n % DIRECTORIES}/f{n}", "mode": 0o644, "contents": {"source": source()}}
        for n in range(FILES)
    ]
    units = [
        {
            "name": f"unit{n}.service",
            "enabled": True,
            "contents": f"[Unit]\nDescription=u{n}\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
        }
        for n in range(UNITS)
    ]
    return {"ignition": {"version": "3.3.0"}, "storage": {"files": files}, "systemd": {"units": units}}


def as_butane(config):
    """The same config as people write it in Butane: YAML in block style with inline texts."""
    lines = ["variant: fcos", "version: 1.4.0", "storage:", "  files:"]
    for file in config["storage"]["files"]:
        text = base64.b64decode(file["contents"]["source"].split(",", 1)[1]).decode()
        lines += [f"    - path: {file['path']}", f"      mode: 0{file['mode']:o}", "      contents:",
                  f"        inline: {json.dumps(text)}"]
    lines += ["systemd:", "  units:"]
    for unit in config["systemd"]["units"]:
        lines += [f"    - name: {unit['name']}", "      enabled: true", "      contents: |"]
        lines += [f"        {line}" for line in unit["contents"].splitlines()]
    return "\n".join(lines) + "\n"


def measure(command, environment=None):
    """Wall-clock seconds and peak memory in KiB of one run. GNU time measures the memory: a child of this interpreter
    would start with the interpreter's own peak."""
    with tempfile.NamedTemporaryFile("r") as figures:
        full = ["/usr/bin/time", "--format", "%M", "--output", figures.name, *map(str, command)]
        start = time.perf_counter()
        result = subprocess.run(full, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        seconds = time.perf_counter() - start
        if result.returncode != 0:
            sys.exit(f"bench: {' '.join(full)} ended with {result.returncode}:\n{result.stdout.decode(errors='replace')[-2000:]}")
        kib = int(figures.read().split()[-1])
    return seconds, kib


def interleaved(runs, *measures):
    """Medians of each measurement, taken alternately."""
    taken = [[] for _ in measures]
    for _ in range(runs):
        for results, one in zip(taken, measures):
            results.append(one())
    return [tuple(statistics.median(column) for column in zip(*results)) for results in taken]


def fresh_root(work):
    """An empty root with what the peer requires: the name of an SELinux policy."""
    root = pathlib.Path(tempfile.mkdtemp(dir=work, prefix="root-"))
    contexts = root / "etc/selinux/bench/contexts/files"
    contexts.mkdir(parents=True)
    (root / "etc/selinux/config").write_text("SELINUXTYPE=bench\n")
    (contexts / "file_contexts").touch()
    os.sync()
    return root


def tree_digest(root):
    """Digest of paths, modes and contents of everything a run wrote, except for records about the run itself."""
    digest = hashlib.sha256()
    count = 0
    for path in sorted(root.rglob("*")):
        own = path.name == ".ignition-result.json" or "kindling" in path.parts
        if path.is_file() and "selinux" not in path.parts and not own:
            count += 1
            digest.update(f"{path.relative_to(root)} {path.stat().st_mode:o}\n".encode())
            # The peer writes presets in random order.
            lines = path.read_bytes().splitlines(keepends=True)
            digest.update(b"".join(sorted(lines) if path.suffix == ".preset" else lines))
    return count, digest.hexdigest()


class FilesStage:
    """Writes the config into fresh roots with both programs and keeps the first result of each."""

    def __init__(self, work, config):
        self.work = work
        self.config = config
        self.results = {}
        tools = work / "bin"
        tools.mkdir()
        setfiles = tools / "setfiles"
        setfiles.write_text("#!/bin/sh\nexec cat > /dev/null\n")
        setfiles.chmod(0o755)
        self.environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}

    def run(self, who, command, environment=None):
        root = fresh_root(self.work)
        figures = measure(command(root), environment or self.environment)
        if who not in self.results:
            self.results[who] = tree_digest(root)
        shutil.rmtree(root)
        return figures

    def peer(self):
        state = self.work / "state"
        return self.run("peer", lambda root: [
            PEER_STAGES, "--stage=files", f"--root={root}", "--platform=file", f"--config-cache={self.config}",
            f"--state-file={state}", "--log-to-stdout",
        ])

    def kindling(self):
        return self.run("kindling", lambda root: [KINDLING, "apply", "--root", root, self.config])


class Unpacking:
    """Writes the config to new roots on a tmpfs, and for comparison extracts an archive of the resulting tree. The time
    includes writing the report; the archive has owner, mode and time of each file."""

    def __init__(self, directory, config):
        self.directory = directory
        self.config = config
        self.archive = directory / "tree.tar"
        self.make(self.tree("model"))

    def tree(self, name):
        root = self.directory / name
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        return root

    def make(self, model):
        subprocess.run([KINDLING, "apply", "--root", model, self.config], check=True, capture_output=True)
        subprocess.run(["tar", "--create", "--file", self.archive, "--directory", model, "."], check=True)
        self.digest = tree_digest(model)

    def run(self, who, command):
        root = self.tree(f"by-{who}")
        figures = measure(command(root))
        if tree_digest(root) != self.digest:
            sys.exit(f"bench: {who} wrote another tree")
        return figures

    def tar(self):
        unpack = f'tar --extract --file {self.archive} --directory "$0" && sync --file-system "$0"'
        return self.run("tar", lambda root: ["sh", "-c", unpack, root])

    def kindling(self):
        report = self.directory / "report.json"
        return self.run("kindling", lambda root: [KINDLING, "apply", "--root", root, "--report", report, self.config])


class Stages:
    """The fetch and files stages of both programs, from a shell with the platform `file`."""

    def __init__(self, files_stage, work, config):
        self.files_stage = files_stage
        self.work = work
        self.programs = {"peer": PEER_STAGES, "kindling": work / "ignition"}
        self.programs["kindling"].symlink_to(KINDLING)
        (work / "empty").mkdir()
        self.environment = {
            **files_stage.environment,
            "IGNITION_CONFIG_FILE": str(config),
            "KINDLING_RUN_DIR": str(work / "run"),
        }

    def command(self, who, stage, root):
        return [
            self.programs[who], "-platform=file", f"-stage={stage}", f"-root={root}", "-log-to-stdout",
            f"-config-cache={self.work / who}.cache", f"-state-file={self.work / who}.state", f"-neednet={self.work / 'neednet'}",
        ]

    def fetch(self, who):
        """Fetches the config to the cache."""
        for old in (f"{who}.cache", f"{who}.state"):
            (self.work / old).unlink(missing_ok=True)
        return measure(self.command(who, "fetch", self.work / "empty"), self.environment)

    def files(self, who):
        """Writes files from the cache of the last fetch to a new root."""
        return self.files_stage.run(f"{who} stages", lambda root: self.command(who, "files", root), self.environment)


def compare_tar(runs, config):
    """Compares the write path with `tar`; returns which targets are met."""
    with tempfile.TemporaryDirectory(prefix="kindling-bench-", dir=TMPFS) as name:
        unpacking = Unpacking(pathlib.Path(name), config)
        tar, ours = interleaved(runs, unpacking.tar, unpacking.kindling)
    print("the same tree on a tmpfs by `tar` with `sync`, and by kindling with its report:")
    memory = ours[1] / 1024
    is_small = memory <= TAR_MEMORY_MIB
    met = [compare_line("write beside tar, time", tar[0], ours[0], "s", TAR_TIME), is_small]
    print(f"{'its peak memory':<22} {'':>14} {memory:>10.2f} MiB  target <= {TAR_MEMORY_MIB} MiB  {'met' if is_small else 'MISSED'}")
    return met


def compare_line(what, peer, ours, unit, limit):
    """Prints one comparison; true if the target is met."""
    ratio = ours / peer
    met = ratio <= limit
    print(f"{what:<22} {peer:>10.2f} {unit:<3} {ours:>10.2f} {unit:<3}  ratio {ratio:5.3f}  target <= {limit:.3f}  {'met' if met else 'MISSED'}")
    return met


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7, help="runs of each program per measure")
    parser.add_argument("--directory", help="where the roots are written; default: the temporary directory")
    arguments = parser.parse_args()
    for program in (KINDLING, PEER_VALIDATE, PEER_STAGES):
        if not os.access(program, os.X_OK):
            sys.exit(f"bench: {program} is missing; make bench builds and installs what it needs")

    with tempfile.TemporaryDirectory(prefix="kindling-bench-", dir=arguments.directory) as name:
        work = pathlib.Path(name)
        config = work / "big.ign"
        config.write_text(json.dumps(big_config()))
        print(f"config: {FILES} files of {FILE_BYTES} bytes, {UNITS} units, {config.stat().st_size / 1e6:.1f} MB; medians of {arguments.runs} runs")
        print(f"{'':<22} {'ignition':>14} {'kindling':>14}")

        peer, ours = interleaved(
            arguments.runs,
            lambda: measure([PEER_VALIDATE, config]),
            lambda: measure([KINDLING, "validate", config]),
        )
        met = [
            compare_line("validate, time", peer[0], ours[0], "s", VALIDATE_TIME),
            compare_line("validate, peak memory", peer[1] / 1024, ours[1] / 1024, "MiB", VALIDATE_MEMORY),
        ]

        butane = work / "big.bu"
        butane.write_text(as_butane(big_config()))
        json_alone, ours = interleaved(
            arguments.runs,
            lambda: measure([KINDLING, "validate", config]),
            lambda: measure([KINDLING, "validate", butane]),
        )
        print("the same config as JSON and as Butane, both by kindling:")
        met.append(compare_line("validate Butane, time", json_alone[0], ours[0], "s", BUTANE_TIME))

        stage = FilesStage(work, config)
        peer, ours = interleaved(arguments.runs, stage.peer, stage.kindling)
        met.append(compare_line("write files, time", peer[0], ours[0], "s", FILES_TIME))
        print(f"{'write files, memory':<22} {peer[1] / 1024:>10.2f} MiB {ours[1] / 1024:>10.2f} MiB  ratio {ours[1] / peer[1]:5.3f}")
        same = stage.results["peer"] == stage.results["kindling"]
        count = stage.results["kindling"][0]
        print(f"trees written: {count} files, {'the same in paths, modes and contents' if same else 'DIFFERENT: ' + str(stage.results)}")
        met.append(same)

        met += compare_tar(arguments.runs, config)

        # The peer reads its config from the working directory.
        os.chdir(work)
        (work / "config.ign").symlink_to(config)
        stages = Stages(stage, work, config)
        peer, ours = interleaved(arguments.runs, lambda: stages.fetch("peer"), lambda: stages.fetch("kindling"))
        met.append(compare_line("fetch stage, time", peer[0], ours[0], "s", FETCH_STAGE_TIME))
        peer, ours = interleaved(arguments.runs, lambda: stages.files("peer"), lambda: stages.files("kindling"))
        met.append(compare_line("files stage, time", peer[0], ours[0], "s", FILES_STAGE_TIME))
        same = stage.results["peer stages"] == stage.results["kindling stages"]
        print(f"trees of the stages: {'the same in paths, modes and contents' if same else 'DIFFERENT: ' + str(stage.results)}")
        met.append(same)

    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
