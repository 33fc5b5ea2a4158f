"""Boots that fail; the last 24 lines on the console are checked."""

import re
import subprocess

import build
import configs
from lab import PROMPT, scenario, step

HEADER = "FIRST-BOOT PROVISIONING FAILED"
# The last output of a machine that halts.
HALTED = r"reboot: System halted"
SECRET = "Xk7-secret-of-the-config"
NO_SUCH_DISK = "/dev/disk/by-id/virtio-nowhere"


def failing(lab, document, expected, *disks, args="", end=PROMPT, limit=600, **options):
    """Boots, waits for the prompt, and checks the last screen: within 24 lines it must have everything that a person
    needs, with nothing after it and no secrets. `expected` is a list of (name, pattern on the screen)."""
    system = lab.system()
    # All output of systemd and the kernel is enabled: it must not scroll the screen away.
    machine = lab.start(system, *disks, document=document, quiet=False, limit=limit,
                        args=f"systemd.show_status=1 {args}", **options)
    machine.wait_for("the end of the failing boot", end)
    step(f"failed after {machine.seconds():.1f} s")
    machine.quiet_for(4)
    lines = machine.lines
    while lines and not lines[-1]:
        lines.pop()
    check_screen(lines, expected, end)
    assert lab.flag(system), "the first-boot flag is gone, although the boot failed"
    return machine


def check_screen(lines, expected, end):
    """Checks the last screen."""
    wrong = []
    last = lines[-24:]
    screen = "\n".join(last)
    begins = max((i for i, line in enumerate(last) if HEADER in line), default=None)
    if begins is None:
        wrong.append(f"that {HEADER!r}")
        begins = 0
    ours = " ".join(" ".join(last[begins:]).split())
    for what, pattern in [*expected, ("how to see more", "journalctl"), ("what the next boot does", "tries again")]:
        if not re.search(pattern, ours):
            wrong.append(f"{what} (/{pattern}/)")
    too_long = [line for line in last[begins:] if len(line) > 80]
    after = re.split(end, screen, maxsplit=1, flags=re.MULTILINE)[-1].strip()
    problems = []
    if wrong:
        problems.append("the last 24 lines do not say: " + "; ".join(wrong))
    if too_long:
        problems.append(f"wider than 80 columns: {too_long}")
    if after:
        problems.append(f"lines come after the end: {after!r}")
    if SECRET in "\n".join(lines):
        problems.append("a secret of the config is on the console")
    if problems:
        raise AssertionError("\n    ".join(problems) + "\n    the last lines were:\n"
                             + "\n".join("    | " + line for line in lines[-34:]))


def one_file(path="/etc/hidden", **contents):
    """A config with a file, after one with a secret."""
    return configs.config(storage={"files": [
        configs.file("/etc/secret", SECRET, 0o600),
        {"path": path, "contents": contents}]})


def disk(*partitions, device=configs.DATA_DISK, **more):
    """A config with one disk."""
    return configs.config(storage={"disks": [{"device": device, "partitions": list(partitions), **more}]})


@scenario
def fails_wrong_hash(lab):
    """failing: contents with another hash; shown on the serial and on the VGA console; then the shell is used"""
    document = one_file(source=configs.data(SECRET), verification={"hash": "sha256-" + "0" * 64})
    expected = [("operation", "operation .*/etc/hidden"), ("cause", "cause .*(?i:hash|sha256|sum)"),
                ("where", r"requested at \S*.*:\d+.*files.1"), ("what to do", "to do ")]
    machine = failing(lab, document, expected, screen=True, console="console=tty0 console=ttyS0")
    rows = machine.vga_text(lab.work)
    shown = [row for row in rows if HEADER in row]
    assert shown, "the VGA console does not show the screen; its rows:\n" + "\n".join(
        "    | " + row for row in rows if row)
    step("the shell behind the prompt")
    machine.type("\n")
    machine.wait_for("a shell without a password", r"dracut:/.*# $")
    machine.type("kindling report /run/kindling/report.json | head -n 3; echo $((40 + 2))\n")
    machine.wait_for("an answer of the shell", r"^42$")


@scenario
def fails_not_gzip(lab):
    """failing: contents that are declared as gzip but are not"""
    failing(lab, one_file(source=configs.data("no gzip"), compression="gzip"), [
        ("operation", "operation .*/etc/hidden"), ("cause", "cause .*gzip"),
        ("where", r"requested at \S*.*:\d+.*files.1"), ("what to do", "to do ")])


@scenario
def fails_unreachable_url(lab):
    """failing: a URL that does not respond, with a timeout"""
    document = one_file(source="http://10.0.2.2:9/file")
    document["ignition"]["timeouts"] = {"httpTotal": 4, "httpResponseHeaders": 2}
    failing(lab, document, [
        ("operation", "operation .*/etc/hidden"), ("cause", "cause .*10.0.2.2:9"),
        ("where", r"requested at \S*.*:\d+.*files.1"), ("what to do", "to do ")], network=True)


@scenario
def fails_partition_in_use(lab):
    """failing: a partition to be replaced is mounted"""
    data = lab.blank()
    subprocess.run(["sfdisk", "--quiet", str(data)], input="label: gpt\nstart=2048, size=262144, name=old\n",
                   text=True, check=True)
    build.run("a file system to be in use", ["mkfs.ext4", "-q", "-L", "BUSY", "-E", f"offset={1 << 20}", str(data), "64M"])
    failing(lab, disk({"number": 1, "label": "new"}, wipeTable=True), [
        ("operation", "operation .*data"), ("cause", "cause .*(in use|mounted|busy)"),
        ("where", r"requested at \S*.*:\d+.*disks.0"), ("what to do", "to do ")], data, args="test.busy")


@scenario
def fails_missing_device(lab):
    """failing: a disk that does not exist"""
    failing(lab, disk({"number": 1}, device=NO_SUCH_DISK), [
        ("operation", "operation .*(nowhere|device)"), ("cause", "cause .*virtio-nowhere"),
        ("where", r"requested at \S*.*:\d+.*disks.0"), ("what to do", "to do ")], lab.blank())


@scenario
def fails_invalid_config(lab):
    """failing: a config that is not valid"""
    failing(lab, configs.config(storage={"files": [{"path": "relative", "contents": {"source": "data:,x"}}]}), [
        ("operation", "operation "), ("cause", "cause .*(path|relative)"),
        ("where", r"\S*:\d+.*files.0"), ("what to do", "to do ")])


@scenario
def fails_disk_too_small(lab):
    """failing: the partitions do not fit on the disk"""
    failing(lab, disk({"number": 1, "sizeMiB": 4096, "label": "big"}, wipeTable=True), [
        ("operation", "operation .*data"), ("cause", "cause .*(room|space|fit|small|large)"),
        ("where", r"requested at \S*.*:\d+.*disks.0"), ("what to do", "to do ")], lab.blank())


@scenario
def fails_killed(lab):
    """failing: a stage is killed and cannot report anything; with rd.shell=0 the machine halts after the screen"""
    failing(lab, disk({"number": 1}, device=NO_SUCH_DISK), [
        ("unit", "unit ignition-disks.service"), ("cause", "cause it was killed by signal 9"),
        ("what to do", "to do ")], lab.blank(), args="test.kill rd.shell=0",
        end=HALTED)


@scenario
def fails_no_network(lab):
    """failing: a network is needed but there is none"""
    failing(lab, one_file(source="http://10.0.2.2/file"), [
        ("operation", "operation bring up the network"), ("cause", "cause no interface got an address within 4 s"),
        ("interfaces", "interfaces none"), ("what to do", "to do ")], args="kindling.network.timeout=4")
