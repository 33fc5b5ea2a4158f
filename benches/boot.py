#!/usr/bin/env python3
"""How long the stages of a first boot take, compared with Debian's Ignition.

The same Debian, the same machine in QEMU, the same config: one data disk with wipeTable, two partitions, one ext4,
50 files, a user, five units. Only the dracut module in the initramfs differs. A stage's time is that between systemd's
journal entries for the start and the end of its unit. Both take turns, so that other load on the host affects both. The
machine with kindling then boots once more, with nothing to provision and without its machine id, so that systemd applies
its presets again: the difference is the total cost of provisioning. (Debian's Ignition does not remove the flag, so its
machine would provision again.)

    benches/boot.py [--runs N]
"""

import argparse
import json
import os
import pathlib
import resource
import signal
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "boot"))

import build  # noqa: E402 (found by the line above)
import configs  # noqa: E402
import extra  # noqa: E402
import lab as boots  # noqa: E402

# A boot counts if other programs used at most this share of the host's processors meanwhile.
MAX_OTHERS_SHARE = 0.1
# Seconds that provisioning may add to a boot.
MAX_COST = 1.0
# How often to repeat a boot until the host is idle enough.
MAX_TRIES = 6

STAGES = ["fetch-offline", "fetch", "kargs", "disks", "mount", "files", "umount"]
STARTING, STARTED = "7d4958e842da4a758f6c1cdc7b36dcc5", "39f53479d3a045ac8e11786248231fbf"
STOPPING, STOPPED = "de5b426a63be47a7b6ac3eaac82e2f6f", "9d1aaa27d60140bd96365438aad20286"

JOURNAL = ("journalctl -b --no-pager -o json --output-fields=MESSAGE_ID,UNIT "
           + " ".join(f"MESSAGE_ID={id_}" for id_ in (STARTING, STARTED, STOPPING, STOPPED))
           + " | grep '\"ignition-'")
# The partition has the same size as the one on which the config creates a file system.
MKFS = ("a=$(date +%s%N); mkfs.ext4 -q -F /dev/disk/by-partlabel/spare && b=$(date +%s%N) && echo $((b - a))")
# Run by a service after multi-user.target, so this is the time from the start of the kernel to a usable machine.
QUESTIONS = [("uptime", "cut -d' ' -f1 /proc/uptime", None), ("journal", JOURNAL, None), ("mkfs", MKFS, None),
             ("files", "cat /etc/bench/* | wc -c", f"{50 * 1024}\n"),
             ("file system", "lsblk -no FSTYPE /dev/disk/by-partlabel/data", "ext4\n"),
             ("user", "getent passwd bench | cut -d: -f1", "bench\n")]


def config():
    """The config for both."""
    unit = ("[Service]\nType=oneshot\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n")
    return configs.config(
        passwd={"users": [{"name": "bench", "sshAuthorizedKeys": [configs.KEY]}]},
        storage={
            "disks": [{"device": configs.DATA_DISK, "wipeTable": True, "partitions": [
                {"number": 1, "label": "data", "sizeMiB": 200}, {"number": 2, "label": "spare", "sizeMiB": 200}]}],
            "filesystems": [{"device": "/dev/disk/by-partlabel/data", "format": "ext4", "wipeFilesystem": True,
                             "path": "/var/lib/data"}],
            "files": [configs.file(f"/etc/bench/{n:02}", f"{n:02}" * 512) for n in range(50)]
            + [configs.file("/usr/local/bin/boot-report", configs.report_script(QUESTIONS), 0o755)]},
        systemd={"units": [
            {"name": "boot-report.service", "enabled": True, "contents":
                "[Unit]\nAfter=multi-user.target\n[Service]\nType=oneshot\n"
                "ExecStart=/usr/local/bin/boot-report\n[Install]\nWantedBy=multi-user.target\n"}]
            + [{"name": f"bench-{n}.service", "enabled": True, "contents": unit} for n in range(4)]})


def boot(lab):
    """Runs a first boot: returns seconds of each stage, of mkfs alone, and of this boot and the next one."""
    system, data = lab.system(), lab.blank()
    answers = boot_once(lab, system, data)
    again = None if lab.peer else boot_again(lab, system, data)
    at = {}
    for line in answers["journal"].splitlines():
        entry = json.loads(line)
        at.setdefault((entry["UNIT"], entry["MESSAGE_ID"]), int(entry["__MONOTONIC_TIMESTAMP"]) / 1e6)
    times = {}
    for stage in STAGES:
        unit, begin, end = f"ignition-{stage}.service", STARTING, STARTED
        if stage == "umount":
            unit, begin, end = "ignition-mount.service", STOPPING, STOPPED
        # A stage whose condition was not met did not start, and took no time.
        if (unit, begin) in at:
            times[stage] = at[unit, end] - at[unit, begin]
    missing = [stage for stage in STAGES if stage not in times and stage != "fetch"]
    assert not missing, f"the journal has no start of {', '.join(missing)}:\n{answers['journal']}"
    times["mkfs alone"] = int(answers["mkfs"]) / 1e9
    times["first boot"] = float(answers["uptime"])
    if again:
        times["boot with nothing to do"] = float(again["uptime"])
    return times


def boot_again(lab, system, data):
    """Boots a provisioned machine as systemd boots a new one. Returns its answers."""
    build.replace_on(system, build.ROOT, "/etc/machine-id", lab.write("machine-id", "uninitialized\n"), 0o444)
    return boot_once(lab, system, data)


def boot_once(lab, system, data):
    """Boots once; returns the answers of the machine."""
    # Unlike in the tests, flushes are real: they are part of what a stage does.
    machine = lab.start(system, data, document=config(), limit=900, cache="writeback")
    machine.wait_end("the machine of the benchmark", unless=boots.PROMPT)
    answers = configs.read_report(machine.report(), QUESTIONS)
    configs.check_answers(answers, [question for question in QUESTIONS if question[2] is not None])
    return answers


class Share:
    """Measures how much of the host's processors other programs have used since its creation."""

    def __init__(self):
        self.before = self.now()

    @staticmethod
    def now():
        """Seconds of all processors: in total, busy, and used by children of this program that have ended."""
        with open("/proc/stat", encoding="ascii") as file:
            ticks = [int(word) for word in file.readline().split()[1:9]]
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        hertz = os.sysconf("SC_CLK_TCK")
        idle = ticks[3] + ticks[4]
        return sum(ticks) / hertz, (sum(ticks) - idle) / hertz, usage.ru_utime + usage.ru_stime

    def used_by_others(self):
        """The share of other programs, from 0 to 1."""
        whole, busy, own = (after - before for before, after in zip(self.before, self.now()))
        return max(0.0, busy - own) / whole


def quiet_boot(lab):
    """Boots until the host was idle enough for the boot to count."""
    for left in reversed(range(MAX_TRIES)):
        share = Share()
        times = boot(lab)
        others = share.used_by_others()
        if others <= MAX_OTHERS_SHARE:
            return times
        print(f"   {'not counted' if left else 'counted nevertheless'}: other programs used {others:.0%} of the host's "
              "processors meanwhile", flush=True)
    return times


def main():
    """Runs, and prints the table."""
    parser = argparse.ArgumentParser(description="times of the stages of a first boot, beside Ignition's")
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs

    binary = build.REPO / "target/release/kindling"
    tree = build.installed(binary)
    # None of our binaries on the root of the peer is run: it is only a disk to boot from.
    sides = {
        "ignition": (build.initramfs("ignition", tree, None, extra.initramfs(peer=True)),
                     extra.root()),
        "kindling": (build.initramfs("kindling", tree, binary, extra.initramfs(peer=False)), None)}
    found = {name: [] for name in sides}
    for run in range(runs):
        for name, (initrd, overlay) in sides.items():
            with tempfile.TemporaryDirectory(prefix="kindling-bench-") as work:
                lab = boots.Lab(pathlib.Path(work), tree, initrd, binary, name == "ignition", overlay)
                try:
                    found[name].append(quiet_boot(lab))
                finally:
                    lab.close()
            print(f"run {run + 1} of {runs}, {name}: " + ", ".join(
                f"{stage} {seconds:.2f} s" for stage, seconds in found[name][-1].items()), flush=True)

    def median(name, stage):
        return statistics.median([times.get(stage, 0.0) for times in found[name]])

    def total(name):
        return statistics.median([sum(times.get(stage, 0.0) for stage in STAGES) for times in found[name]])

    print(f"\nseconds by systemd's journal, medians of {runs}")
    print(f"{'stage':16} {'ignition':>10} {'kindling':>10} {'ratio':>8}")
    rows = [(stage, median("ignition", stage), median("kindling", stage)) for stage in STAGES]
    rows.append(("all stages", total("ignition"), total("kindling")))
    for stage, peer, ours in rows:
        ratio = f"{ours / peer:8.2f}" if peer else f"{'-':>8}"
        print(f"{stage:16} {peer:10.2f} {ours:10.2f} {ratio}")
    floor = statistics.median([times["mkfs alone"] for side in found.values() for times in side])
    print(f"the floor of disks, mkfs.ext4 alone on an equal partition: {floor:.2f} s\n")

    nothing = statistics.median([times["boot with nothing to do"] for times in found["kindling"]])
    print("seconds from the kernel's start to the services of the config")
    print(f"nothing to do {nothing:.2f}, with kindling {median('kindling', 'first boot'):.2f}, "
          f"with Ignition {median('ignition', 'first boot'):.2f}\n")

    met = median("kindling", "first boot") - nothing <= MAX_COST
    print(f"provisioning: {median('kindling', 'first boot') - nothing:.2f} s, wanted at most {MAX_COST:.2f} s: "
          f"{'met' if met else 'NOT MET'}")
    for stage, limit, words in (("disks", 1 / 3, "at most 1/3"), ("all stages", 1 / 4, "at most 1/4")):
        _, peer, ours = next(row for row in rows if row[0] == stage)
        good = ours <= peer * limit
        met &= good
        print(f"{stage}: {ours / peer:.2f} of Ignition's time, wanted {words}: {'met' if good else 'NOT MET'}")
    return 0 if met else 1


if __name__ == "__main__":
    # Ends the machine even if this is terminated.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main())
    except (AssertionError, build.BuildError) as error:
        print(f"FAILED: {error}")
        sys.exit(1)
