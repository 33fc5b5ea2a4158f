#!/usr/bin/env python3
"""How long storage takes, compared with Debian's Ignition and with the bare commands: `make bench-storage`.

1, 2, 4 and 8 blank disks of 1 GiB each get two partitions and ext4 on the first. kindling and Ignition run their disks
stage; the bare commands are `sfdisk` and `mkfs.ext4`, started by a shell for all disks in parallel. All run in one
user-mode Linux kernel with systemd and udev; disks are loop devices in memory. The three take turns, and medians are
compared. Exits with 1 if the target is missed.

    benches/storage.py [--runs N] [--disks 1,8] [--without-peer] [--binary PATH] [--log DIR]
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
PEER = pathlib.Path("/usr/lib/dracut/modules.d/30ignition/ignition")

# Ratio to the time of the bare commands, both until udev has settled: kindling waits for udev and the commands do not,
# but their result cannot be used before.
TARGET = 1.0
DISK_MIB = 1024
FIRST_MIB = 512
# Time limit in seconds for one measurement.
RESULT_TIMEOUT_S = 300

UNITS = {
    "bench.target": "[Unit]\nWants=udevd.service bench.service\n",
    "udevd.service":
        "[Unit]\nDefaultDependencies=no\n[Service]\nType=notify\nExecStart=/lib/systemd/systemd-udevd\n"
        "ExecStartPost=/bin/udevadm trigger --settle --subsystem-match=block\n",
    "bench.service":
        "[Unit]\nDefaultDependencies=no\nAfter=udevd.service\nSuccessAction=poweroff-force\n"
        "FailureAction=poweroff-force\n[Service]\nType=oneshot\nTimeoutStartSec=infinity\n"
        "ExecStart=/usr/bin/python3 /run/share/storage.py --guest\n"}

# With a lock, as an expert would write it: otherwise udev, which rereads a table when its disk is closed, would briefly
# remove the partitions, so that mkfs does not find them.
BARE = f"""
for disk in "$@"; do
    printf 'label: gpt\\nsize={FIRST_MIB}MiB, name="first-%s"\\nname="second-%s"\\n' "${{disk#/dev/}}" "${{disk#/dev/}}" |
        flock "$disk" sh -c 'sfdisk -q "$1" && mkfs.ext4 -q -F "$1p1"' sh "$disk" &
    jobs="$jobs $!"
done
for job in $jobs; do wait "$job" || exit 1; done
"""


def config(disks):
    """The config of both programs."""
    names = [disk.removeprefix("/dev/") for disk in disks]
    return {"ignition": {"version": "3.3.0"}, "storage": {
        "disks": [{"device": disk, "partitions": [
            {"number": 1, "label": f"first-{name}", "sizeMiB": FIRST_MIB},
            {"number": 2, "label": f"second-{name}"}]} for disk, name in zip(disks, names)],
        "filesystems": [{"device": f"/dev/disk/by-partlabel/first-{name}", "format": "ext4"} for name in names]}}


# ---- inside the kernel ----

WORK = pathlib.Path("/tmp/bench")
SHARE = pathlib.Path("/run/share")


def run(command, log=None, **more):
    """Runs a command that must succeed; returns its seconds."""
    output = open(log, "a", encoding="utf-8") if log else subprocess.DEVNULL
    start = time.monotonic()
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False, **more)
    seconds = time.monotonic() - start
    if log:
        output.close()
    if result.returncode != 0:
        tail = pathlib.Path(log).read_text(encoding="utf-8", errors="replace")[-3000:] if log else ""
        raise RuntimeError(f"{command[0]} ended with {result.returncode}: {' '.join(map(str, command))}\n{tail}")
    return seconds


def attach(count):
    """Attaches blank disks."""
    disks = [f"/dev/loop{n}" for n in range(count)]
    for n, disk in enumerate(disks):
        with open(WORK / f"disk{n}", "wb") as file:
            file.truncate(DISK_MIB << 20)
        run(["losetup", "--partscan", disk, WORK / f"disk{n}"])
    run(["udevadm", "settle"])
    return disks


def detach(disks):
    run(["udevadm", "settle"])
    for n, disk in enumerate(disks):
        run(["losetup", "--detach", disk])
        (WORK / f"disk{n}").unlink()
    run(["udevadm", "settle"])


def check(side, disks):
    """Checks the result of one side."""
    for disk in disks:
        name = disk.removeprefix("/dev/")
        table = json.loads(subprocess.check_output(["sfdisk", "--json", disk]))["partitiontable"]
        found = [(part["start"], part["name"]) for part in table["partitions"]]
        wanted = [(2048, f"first-{name}"), (2048 + FIRST_MIB * 2048, f"second-{name}")]
        assert found == wanted, f"{side}: {disk} has {found}, wanted {wanted}"
        kind = subprocess.check_output(["blkid", "-p", "-o", "value", "-s", "TYPE", f"{disk}p1"], text=True)
        assert kind == "ext4\n", f"{side}: {disk}p1 has {kind!r}"
        link = os.path.realpath(f"/dev/disk/by-partlabel/first-{name}")
        assert link == f"{disk}p1", f"{side}: the link of {disk}p1 leads to {link}"


def stage_of(program, log):
    """Returns a function that runs a stage of a program with the flags of Ignition."""
    def call(stage):
        options = ["-platform=file", f"-stage={stage}", f"-root={WORK}/root", "-log-to-stdout",
                   f"-config-cache={WORK}/cache", f"-state-file={WORK}/state", f"-neednet={WORK}/neednet"]
        return run([program, *options], log, cwd=WORK)
    return call


def measure(side, program, disks, log):
    """Seconds of one side: the work alone, and until udev has settled."""
    if side == "bare":
        work = run(["sh", "-c", BARE, "sh", *disks], log)
    else:
        (WORK / "config.ign").write_text(json.dumps(config(disks)))
        for left in ("cache", "state", "neednet"):
            (WORK / left).unlink(missing_ok=True)
        shutil.rmtree(WORK / "run", ignore_errors=True)
        stage = stage_of(program, log)
        stage("fetch")
        work = stage("disks")
    return work, work + run(["udevadm", "settle"])


def guest():
    """Measures what `order.json` requests; writes a line for each to `results`."""
    order = json.loads((SHARE / "order.json").read_text())
    (WORK / "root").mkdir(parents=True)
    os.environ |= {"IGNITION_CONFIG_FILE": f"{WORK}/config.ign", "KINDLING_RUN_DIR": f"{WORK}/run", "HOME": "/tmp",
                   "LC_ALL": "C.UTF-8", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    programs = {}
    for side, path in order["programs"].items():
        # In memory, as in an initramfs, with the name under which kindling runs stages.
        programs[side] = WORK / side / "ignition"
        programs[side].parent.mkdir()
        shutil.copy(f"/run/host{path}", programs[side])
    with open(SHARE / "results", "a", encoding="utf-8") as results:
        for count in order["disks"]:
            for _ in range(order["runs"]):
                for side in order["sides"]:
                    disks = attach(count)
                    log = SHARE / f"{side}-{count}.log"
                    found = measure(side, programs.get(side), disks, log)
                    check(side, disks)
                    detach(disks)
                    print(json.dumps([side, count, *found]), file=results, flush=True)


# ---- on the host ----

def kernel(share, log):
    """Runs the kernel until it ends; returns the lines of `results`."""
    with open(share / "console", "wb") as console:
        child = subprocess.Popen(
            [f"{REPOSITORY}/tests/lab/uml.sh", "mem=3G", "root=/dev/root", "rootfstype=hostfs", "ro", "quiet", "con0=null,fd:1", "con=null",
             f"init={REPOSITORY}/benches/storage.sh", f"bench_share={share}"],
            stdin=subprocess.DEVNULL, stdout=console, stderr=console, env={**os.environ, "TMPDIR": str(share)},
            start_new_session=True)
    results, heard, seen = share / "results", time.monotonic(), 0
    try:
        while child.poll() is None:
            time.sleep(0.2)
            lines = results.read_text().splitlines() if results.exists() else []
            for line in lines[seen:]:
                side, count, work, settled = json.loads(line)
                print(f"   {count} disks, {side}: {work:.2f} s, settled after {settled:.2f} s", flush=True)
                heard = time.monotonic()
            seen = len(lines)
            if time.monotonic() - heard > RESULT_TIMEOUT_S:
                sys.exit(f"FAILED: no result for {RESULT_TIMEOUT_S} s:\n{tail(share)}")
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        if log:
            shutil.copytree(share, log, dirs_exist_ok=True, ignore=shutil.ignore_patterns("vm_file*"))
    if not (share / "done").exists():
        sys.exit(f"FAILED: the kernel ended early:\n{tail(share)}")
    return [json.loads(line) for line in results.read_text().splitlines()]


def tail(share):
    """The end of the guest's output."""
    texts = [share / "trouble", share / "console"]
    return "\n".join(text.read_text(errors="replace")[-3000:] for text in texts if text.exists())


def main():
    """Runs, and prints the table."""
    parser = argparse.ArgumentParser(description="times of the disks stage beside Ignition and the bare commands")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--disks", default="1,2,4,8", help="numbers of disks, with commas")
    parser.add_argument("--without-peer", action="store_true")
    parser.add_argument("--binary", type=pathlib.Path, default=REPOSITORY / "target/release/kindling")
    parser.add_argument("--log", type=pathlib.Path, help="a folder for the logs of all runs")
    arguments = parser.parse_args()
    counts = [int(word) for word in arguments.disks.split(",")]
    programs = {"kindling": str(arguments.binary.resolve()), "ignition": str(PEER)}
    sides = ["kindling", "bare"] if arguments.without_peer else ["kindling", "ignition", "bare"]
    programs = {side: path for side, path in programs.items() if side in sides}
    for path in programs.values():
        if not os.access(path, os.X_OK):
            sys.exit(f"FAILED: there is no {path}")

    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(prefix="kindling-bench-", dir=memory) as share:
        share = pathlib.Path(share)
        for name, text in UNITS.items():
            (share / name).write_text(text)
        shutil.copy(__file__, share / "storage.py")
        order = {"disks": counts, "runs": arguments.runs, "sides": sides, "programs": programs}
        (share / "order.json").write_text(json.dumps(order))
        results = kernel(share, arguments.log)
    return report(results, counts, sides, arguments.runs)


def report(results, counts, sides, runs):
    """Prints the table; returns whether the target is met, as an exit code."""
    def median(side, count, which):
        times = [line[which] for line in results if line[:2] == [side, count]]
        assert len(times) == runs, f"{len(times)} measurements of {side} with {count} disks, wanted {runs}"
        return statistics.median(times)

    peer = "ignition" in sides
    print(f"\nseconds of the disks stage until udev has settled, medians of {runs}; in brackets the stage or the commands alone")
    print(f"{'disks':>5} {'kindling':>16} {'bare commands':>16} {'ratio':>6} {'ignition':>16} {'ratio':>6}")
    met = True
    for count in counts:
        ours, bare = median("kindling", count, 3), median("bare", count, 3)
        cells = [f"{median(side, count, 3):7.2f} ({median(side, count, 2):6.2f})" if side in sides else "-"
                 for side in ("kindling", "bare", "ignition")]
        ratio = f"{ours / median('ignition', count, 3):6.2f}" if peer else "-"
        print(f"{count:5} {cells[0]:>16} {cells[1]:>16} {ours / bare:6.2f} {cells[2]:>16} {ratio:>6}")
        met &= ours <= TARGET * bare
    print(f"\nat most {TARGET} times the bare commands, with each number of disks: {'met' if met else 'NOT MET'}")
    return 0 if met else 1


def guest_main():
    """Runs the guest, and reports errors to the host."""
    try:
        guest()
        (SHARE / "done").touch()
    except Exception as error:  # noqa: BLE001 (the host prints it)
        (SHARE / "trouble").write_text(f"{type(error).__name__}: {error}\n")
        raise


if __name__ == "__main__":
    # Ends the kernel even if this is terminated.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if sys.argv[1:] == ["--guest"]:
        guest_main()
    else:
        sys.exit(main())
