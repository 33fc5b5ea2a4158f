"""The boots. Each scenario is a function; its first line of documentation is what it shows."""

import http.server
import re
import subprocess
import threading
import time

import build
import configs
from vm import Machine

SCENARIOS = {}

# Where a boot that cannot go on ends.
PROMPT = r"^(Press Enter for maintenance|Give root password for maintenance)\n\(or press Control-D to continue\):"


def scenario(function):
    """Makes a function known by its name, with dashes."""
    SCENARIOS[function.__name__.replace("_", "-")] = function
    return function


def step(what):
    """Says what is going on; a failure is of the last step said."""
    print(f"      {what}", flush=True)


class Lab:
    """Everything a scenario starts from."""

    def __init__(self, work, tree, initrd, peer=False, overlay=None, args=""):
        self.work = work
        self.tree = tree
        self.initrd = initrd
        self.peer = peer
        self.overlay = overlay
        self.args = args
        self.kernel = build.kernel()[1]
        self.machines = []
        self.checks = configs.CHECKS + ([] if peer else configs.REPORT_CHECKS)

    def system(self):
        """A fresh system disk that waits for its first boot."""
        path = self.work / "system.img"
        build.copy_disk(build.system_disk(self.tree, self.overlay), path)
        return path

    def blank(self, name="data", mib=512):
        """An empty disk."""
        path = self.work / f"{name}.img"
        with open(path, "wb") as file:
            file.truncate(mib << 20)
        return path

    def write(self, name, document):
        """A config as a file."""
        path = self.work / name
        path.write_text(document if isinstance(document, str) else configs.text(document))
        return path

    def start(self, system, *disks, args="", platform="qemu", document=None, quiet=True, limit=600,
              console="console=ttyS0", **options):
        """Starts a machine as its boot loader would: with the first-boot argument exactly if the flag is there."""
        first = "ignition.firstboot" if build.exists_on(system, build.BOOT, "/ignition.firstboot") else ""
        words = [console, "root=LABEL=root", f"ignition.platform.id={platform}", first,
                 "quiet" if quiet else "", "net.ifnames=0", args, self.args]
        fw_cfg = []
        if document is not None:
            fw_cfg.append(("opt/com.coreos/config", self.write("config.ign", document)))
        machine = Machine(
            self.work, self.kernel, self.initrd, " ".join(filter(None, words)),
            [(system, "system"), *((path, path.stem) for path in disks)], fw_cfg=fw_cfg, limit=limit, **options)
        self.machines.append(machine)
        return machine

    def close(self):
        """Ends what still runs."""
        for machine in self.machines:
            machine.close()

    def judge(self, machine, checks=None):
        """Waits for the machine's end and holds its report against the table."""
        checks = checks or self.checks
        machine.wait_end("the provisioned machine reports and switches itself off", unless=PROMPT)
        step(f"booted, reported and switched off after {machine.seconds():.1f} s")
        report = machine.report()
        assert "@@ end" in report, (
            f"the service that the config installed did not report; the end of the console:\n{machine.tail()}")
        answers = configs.read_report(report, checks)
        configs.judge(answers, checks)
        return answers

    def flag(self, system):
        """Whether the disk asks for a first boot."""
        return build.exists_on(system, build.BOOT, "/ignition.firstboot")


class Server:
    """Serves texts by HTTP to the machine, which sees the host as 10.0.2.2."""

    def __init__(self, bodies):
        self.asked = []
        # A path whose answer never comes, and the event of it having been asked for.
        self.stall = None
        self.stalled = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802 (the name is given)
                outer.asked.append(self.path)
                if self.path == outer.stall:
                    outer.stalled.set()
                    time.sleep(600)
                body = bodies.get(self.path)
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://10.0.2.2:{self.server.server_port}"


# --- the scripts by themselves ----------------------------------------------------------------------------------

def in_namespace(what, script):
    """Runs a shell script as root with mounts of its own, and gives what it printed."""
    return build.run(what, ["unshare", "--mount", "--propagation", "private", "sh", "-euc", script])


# Kernel command line, the targets that must be required, /run/ignition.env.
COMPLETE = "ignition-complete.target ignition-diskful.target"
SUBSEQUENT = "ignition-diskful-subsequent.target ignition-subsequent.target"
GENERATED = [
    ("root=x", SUBSEQUENT, "PLATFORM_ID="),
    ("ignition.firstboot ignition.platform.id=qemu", COMPLETE, "PLATFORM_ID=qemu"),
    ("ignition.firstboot=1 quiet", COMPLETE, "PLATFORM_ID="),
    ("ignition.firstboot=0", SUBSEQUENT, "PLATFORM_ID="),
    ("ignition.firstboot=no", SUBSEQUENT, "PLATFORM_ID="),
    ("ignition.firstboot=off", SUBSEQUENT, "PLATFORM_ID="),
    ("ignition.firstboot=", SUBSEQUENT, "PLATFORM_ID="),
    ("ignition.firstboot=1 ignition.firstboot=0", SUBSEQUENT, "PLATFORM_ID="),
    ("ignition.firstboot=0 ignition.firstboot", COMPLETE, "PLATFORM_ID="),
    ("noignition.firstboot ignition.firstboots=1", SUBSEQUENT, "PLATFORM_ID="),
    ("ignition.platform.id=aws ignition.platform.id=gcp", SUBSEQUENT, "PLATFORM_ID=gcp"),
    ("flatcar.first_boot=detected flatcar.oem.id=ec2", COMPLETE, "PLATFORM_ID=aws OEM_ID=ec2"),
    ("flatcar.first_boot=0 flatcar.oem.id=gce", SUBSEQUENT, "PLATFORM_ID=gcp OEM_ID=gce"),
    ("coreos.first_boot=1 coreos.oem.id=pxe", COMPLETE, "PLATFORM_ID=metal OEM_ID=pxe"),
    ("coreos.first_boot coreos.oem.id=pxe flatcar.oem.id=vmware", COMPLETE, "PLATFORM_ID=vmware OEM_ID=vmware"),
    ("flatcar.first_boot ignition.platform.id=qemu flatcar.oem.id=ec2", COMPLETE, "PLATFORM_ID=qemu"),
    ("ignition.firstboot * ignition.platform.id=metal", COMPLETE, "PLATFORM_ID=metal"),
]


@scenario
def generator(lab):
    """no boot: what the generator makes of kernel command lines"""
    script = lab.tree / "usr/lib/dracut/modules.d/30kindling/kindling-generator.sh"
    wrong = []
    for cmdline, targets, env in GENERATED:
        (lab.work / "cmdline").write_text(cmdline + "\n")
        found = in_namespace(f"generator with {cmdline!r}", f"""
            mount --bind {lab.work}/cmdline /proc/cmdline
            mount --bind /dev/null /dev/kmsg
            mount -t tmpfs none /run
            {script} /run/units
            find /run/units -type l -printf '%f\\n' | sort
            echo --
            cat /run/ignition.env""").split()
        wanted = [*targets.split(), "--", *env.split()]
        if found != wanted:
            wrong.append(f"{cmdline!r}: expected {wanted}, found {found}")
    assert not wrong, "\n    ".join(wrong)


@scenario
def flag_files(lab):
    """no boot: the end of a first boot removes every known flag, on a read-only file system, too"""
    script = lab.tree / "usr/libexec/kindling-firstboot-complete"
    found = in_namespace("the end of a first boot", f"""
        mount -t tmpfs none /run
        mount -t tmpfs none /var/log
        mount -t tmpfs none /boot
        mkdir -p /run/kindling /boot/flatcar /boot/coreos
        echo report >/run/kindling/report.json
        touch /boot/ignition.firstboot /boot/flatcar/first_boot /boot/coreos/first_boot /boot/kept
        mount -o remount,ro /boot
        umask 000
        {script} >/dev/null
        find /boot -type f
        stat -c '%a %n' /var/log/kindling/first-boot.json
        touch /boot/x 2>/dev/null || echo still read-only""")
    wanted = "/boot/kept\n600 /var/log/kindling/first-boot.json\nstill read-only\n"
    assert found == wanted, f"expected {wanted!r}, found {found!r}"


# --- boots that succeed ---------------------------------------------------------------------------------------

NETWORK_CHECKS = [
    # Nothing of the network may have started; the journal covers the initramfs, too.
    ("network units of the initramfs", "journalctl -b -o cat -u systemd-networkd.service -u kindling-network.service"
     " | grep -c -e 'up, by' -e 'Gained carrier'", "0\n"),
]


@scenario
def fw_cfg(lab):
    """config through QEMU's firmware; no network is started; the second boot does not provision"""
    checks = lab.checks + ([] if lab.peer else NETWORK_CHECKS)
    system, data = lab.system(), lab.blank()
    step("first boot")
    machine = lab.start(system, data, document=configs.full(checks), network=True)
    first = lab.judge(machine, checks)
    step("second boot: the config has changed, and must not be looked at")
    assert not lab.flag(system), "the first-boot flag is still on the boot file system"
    extra = [("result file is of the first boot", "sed -n 's/.*provisioningBootID\": \"\\(.*\\)\",/\\1/p' "
              "/etc/.ignition-result.json | grep -c -F -f - /proc/sys/kernel/random/boot_id", "0\n"),
             ("no config was looked for", "ls /run/ignition.json /run/ignition/state 2>&1 | grep -c 'No such'", "2\n"),
             ("no stage ran", "journalctl -b -o cat -t ignition | wc -l", "0\n")]
    del first
    again = configs.config(storage={"files": [configs.file("/etc/motd", "twice\n", overwrite=True)]})
    rewrite_script(lab, system, checks + extra)
    machine = lab.start(system, data, document=again)
    lab.judge(machine, checks + extra)


def rewrite_script(lab, system, checks):
    """Replaces the report script on a disk that no machine uses, for a boot with other questions."""
    script = lab.write("boot-report", configs.report_script(checks))
    _, start, _ = build.ROOT
    image = f"{system}?offset={start * build.MIB}"
    for request in ("rm /usr/local/bin/boot-report", f"write {script} /usr/local/bin/boot-report",
                    "set_inode_field /usr/local/bin/boot-report mode 0100755"):
        build.run("change the report script", ["debugfs", "-w", "-R", request, image])


@scenario
def url(lab):
    """config from a URL on the command line; the initramfs brings the network up; a file comes by HTTP, too"""
    if lab.peer:
        checks = lab.checks
    else:
        checks = lab.checks + [
            ("network of the initramfs", "journalctl -b -o cat -u kindling-network.service | grep -c 'up, by'", "1\n"),
            ("name servers of the initramfs",
             "journalctl -b -o cat -u kindling-network.service | grep -c 'name servers: .*10.0.2.3'", "1\n")]
    checks = checks + [("downloaded file", "cat /etc/downloaded", "from the server\n")]
    document = configs.full(checks)
    bodies = {"/file": b"from the server\n"}
    server = Server(bodies)
    document["storage"]["files"].append(
        {"path": "/etc/downloaded", "contents": {"source": server.url + "/file"}})
    bodies["/config.ign"] = configs.text(document).encode()
    machine = lab.start(lab.system(), lab.blank(), network=True, platform="metal",
                        args=f"ignition.config.url={server.url}/config.ign")
    lab.judge(machine, checks)
    assert "/config.ign" in server.asked and "/file" in server.asked, f"asked for: {server.asked}"


@scenario
def config_device(lab):
    """config from a labelled device"""
    device = lab.blank("cidata", 16)
    path = lab.work / "medium"
    path.mkdir(exist_ok=True)
    (path / "sub").mkdir(exist_ok=True)
    (path / "sub" / "config.ign").write_text(configs.text(configs.full(lab.checks)))
    build.run("config device", ["mkfs.ext4", "-q", "-L", "ign-config", "-d", str(path), str(device)])
    machine = lab.start(lab.system(), lab.blank(), device, platform="metal",
                        args="ignition.config.device=ign-config ignition.config.path=/sub/config.ign")
    lab.judge(machine)


# --- power cuts -------------------------------------------------------------------------------------------------

@scenario
def cut_in_disks(lab):
    """power cut in the middle of the disks stage: the next boot ends as if nothing had happened"""
    system, data = lab.system(), lab.blank()
    document = configs.full(lab.checks)
    step("first boot, to be cut when the partition table is there and a file system is missing")
    machine = lab.start(system, data, document=document)
    while not partitions_of(data):
        assert machine.process.poll() is None and machine.seconds() < 200, (
            f"the data disk got no partition table:\n{machine.tail()}")
        time.sleep(0.002)
    machine.cut_power()
    found = partitions_of(data)
    complete = [name for name, start in found if has_ext4(data, start)]
    step(f"cut after {machine.seconds():.1f} s: partitions {[name for name, _ in found]}, "
         f"file systems on {complete}")
    assert len(complete) < 2, "the cut came too late: every file system is there"
    assert lab.flag(system), "the first-boot flag is gone, although the first boot did not end"
    step("the boot after it")
    machine = lab.start(system, data, document=document)
    lab.judge(machine)
    assert not lab.flag(system), "the first-boot flag is still on the boot file system"


def partitions_of(disk):
    """Names and first bytes of the partitions in a disk's GPT, if it has any yet."""
    with open(disk, "rb") as file:
        file.seek(512)
        if file.read(8) != b"EFI PART":
            return []
        file.seek(1024)
        entries = file.read(128 * 128)
    found = []
    for entry in (entries[i:i + 128] for i in range(0, len(entries), 128)):
        if any(entry[:16]):
            found.append((entry[56:].decode("utf-16-le").rstrip("\0"), int.from_bytes(entry[32:40], "little") * 512))
    return found


def has_ext4(disk, start):
    """Whether a file system begins there."""
    with open(disk, "rb") as file:
        file.seek(start + 1080)
        return file.read(2) == b"\x53\xef"


@scenario
def cut_in_files(lab):
    """power cut in the middle of the files stage: the next boot ends as if nothing had happened"""
    checks = lab.checks + [("first download", "cat /etc/one", "one\n"), ("second download", "cat /etc/two", "two\n")]
    system, data = lab.system(), lab.blank()
    server = Server({"/one": b"one\n", "/two": b"two\n"})
    server.stall = "/two"
    document = configs.full(checks)
    document["storage"]["files"] += [
        {"path": "/etc/one", "contents": {"source": server.url + "/one"}},
        {"path": "/etc/two", "contents": {"source": server.url + "/two"}}]
    step("first boot; the server keeps the second file back, and power is cut while the stage waits for it")
    machine = lab.start(system, data, document=document, network=True)
    assert server.stalled.wait(240), f"the second file was not asked for:\n{machine.tail()}"
    # Long enough for the journal of the root file system to be written: half of the stage is on the disk.
    time.sleep(8)
    machine.cut_power()
    step(f"cut after {machine.seconds():.1f} s")
    assert lab.flag(system), "the first-boot flag is gone, although the first boot did not end"
    assert not build.exists_on(system, build.ROOT, "/etc/two"), "the cut came too late: all files are there"
    server.stall = None
    step("the boot after it")
    machine = lab.start(system, data, document=document, network=True)
    lab.judge(machine, checks)
    assert not lab.flag(system), "the first-boot flag is still on the boot file system"


# --- boots that fail --------------------------------------------------------------------------------------------

HEADER = "FIRST-BOOT PROVISIONING FAILED"
# What may still come of a machine that is to halt.
HALTED = r"reboot: System halted"
SECRET = "Xk7-secret-of-the-config"
NO_SUCH_DISK = "/dev/disk/by-id/virtio-nowhere"
# A wait for a device ends soon.
SOON = "systemd.default_device_timeout_sec=5"


def failing(lab, document, expected, *disks, args="", end=PROMPT, limit=600, **options):
    """Boots, waits for the prompt, and holds the last screen against the rule: within 24 lines everything that a
    person needs, nothing after it, nothing secret in it. `expected` is (what, pattern on the screen)."""
    system = lab.system()
    # All that systemd and the kernel like to say is switched on: it must not push the screen away.
    machine = lab.start(system, *disks, document=document, quiet=False, limit=limit,
                        args=f"systemd.show_status=1 {SOON} {args}", **options)
    machine.wait_for("the end of the failing boot", end)
    step(f"failed after {machine.seconds():.1f} s")
    machine.quiet_for(4)
    lines = machine.lines
    while lines and not lines[-1]:
        lines.pop()
    judge_screen(lines, expected, end)
    assert lab.flag(system), "the first-boot flag is gone, although the boot failed"
    return machine


def judge_screen(lines, expected, end):
    """The rule of the last screen."""
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
    """failing: contents with another hash; shown on the serial and on the VGA console"""
    document = one_file(source=configs.data(SECRET), verification={"hash": "sha256-" + "0" * 64})
    expected = [("operation", "operation .*/etc/hidden"), ("cause", "cause .*(?i:hash|sha256|sum)"),
                ("where", r"asked for at \S*.*:\d+.*files.1"), ("what to do", "to do ")]
    machine = failing(lab, document, expected, screen=True, console="console=tty0 console=ttyS0")
    rows = machine.vga_text(lab.work)
    shown = [row for row in rows if HEADER in row]
    assert shown, "the VGA console does not show the screen; its rows:\n" + "\n".join(
        "    | " + row for row in rows if row)


@scenario
def fails_not_gzip(lab):
    """failing: contents that are said to be gzip and are not"""
    failing(lab, one_file(source=configs.data("no gzip"), compression="gzip"), [
        ("operation", "operation .*/etc/hidden"), ("cause", "cause .*gzip"),
        ("where", r"asked for at \S*.*:\d+.*files.1"), ("what to do", "to do ")])


@scenario
def fails_unreachable_url(lab):
    """failing: a URL that nobody answers, with a time-out set"""
    document = one_file(source="http://10.0.2.2:9/file")
    document["ignition"]["timeouts"] = {"httpTotal": 4, "httpResponseHeaders": 2}
    failing(lab, document, [
        ("operation", "operation .*/etc/hidden"), ("cause", "cause .*10.0.2.2:9"),
        ("where", r"asked for at \S*.*:\d+.*files.1"), ("what to do", "to do ")], network=True)


@scenario
def fails_partition_in_use(lab):
    """failing: a partition to be replaced is mounted"""
    data = lab.blank()
    subprocess.run(["sfdisk", "--quiet", str(data)], input="label: gpt\nstart=2048, size=262144, name=old\n",
                   text=True, check=True)
    build.run("a file system to be in use", ["mkfs.ext4", "-q", "-L", "BUSY", "-E", f"offset={1 << 20}", str(data), "64M"])
    failing(lab, disk({"number": 1, "label": "new"}, wipeTable=True), [
        ("operation", "operation .*data"), ("cause", "cause .*(in use|mounted|busy)"),
        ("where", r"asked for at \S*.*:\d+.*disks.0"), ("what to do", "to do ")], data, args="test.busy")


@scenario
def fails_missing_device(lab):
    """failing: a disk that does not exist"""
    failing(lab, disk({"number": 1}, device=NO_SUCH_DISK), [
        ("operation", "operation .*(nowhere|device)"), ("cause", "cause .*virtio-nowhere"),
        ("where", r"asked for at \S*.*:\d+.*disks.0"), ("what to do", "to do ")], lab.blank())


@scenario
def fails_invalid_config(lab):
    """failing: a config that is not valid"""
    failing(lab, configs.config(storage={"files": [{"path": "relative", "contents": {"source": "data:,x"}}]}), [
        ("operation", "operation "), ("cause", "cause .*(path|relative)"),
        ("where", r"\S*:\d+.*files.0"), ("what to do", "to do ")])


@scenario
def fails_disk_too_small(lab):
    """failing: more is wanted than the disk holds"""
    failing(lab, disk({"number": 1, "sizeMiB": 4096, "label": "big"}, wipeTable=True), [
        ("operation", "operation .*data"), ("cause", "cause .*(room|space|fit|small|large)"),
        ("where", r"asked for at \S*.*:\d+.*disks.0"), ("what to do", "to do ")], lab.blank())


@scenario
def fails_killed(lab):
    """failing: a stage is killed and cannot say anything; with rd.shell=0 the machine halts below the screen"""
    failing(lab, disk({"number": 1}, device=NO_SUCH_DISK), [
        ("unit", "unit ignition-disks.service"), ("cause", "cause it was killed by signal 9"),
        ("what to do", "to do ")], lab.blank(), args="test.kill rd.shell=0 systemd.default_device_timeout_sec=100",
        end=HALTED)


@scenario
def fails_no_network(lab):
    """failing: the network is needed and there is none"""
    failing(lab, one_file(source="http://10.0.2.2/file"), [
        ("operation", "operation bring up the network"), ("cause", "cause no interface got an address within 4 s"),
        ("interfaces", "interfaces none"), ("what to do", "to do ")], args="kindling.network.timeout=4")


# --- what the initramfs of the tests has besides ---------------------------------------------------------------

def initramfs_extra(peer):
    """A folder that is copied into the initramfs."""
    return build.cached(f"extra-{'peer' if peer else 'own'}-{build.digest(BUSY_UNIT, KILL_UNIT)}", lambda p: make_extra(p, peer))


BUSY_UNIT = r"""
# Keeps a partition of the data disk in use while the disks stage runs, in the test that asks for it.
[Unit]
ConditionKernelCommandLine=test.busy
DefaultDependencies=no
Requires=systemd-udevd.service
After=systemd-udev-settle.service systemd-udevd.service
Before=ignition-disks.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'until [ -e /dev/disk/by-label/BUSY ]; do sleep 0.2; done; mkdir -p /run/busy; mount /dev/disk/by-label/BUSY /run/busy'
"""


KILL_UNIT = r"""
# Kills the disks stage while it waits for a device, in the test that asks for it.
[Unit]
ConditionKernelCommandLine=test.kill
DefaultDependencies=no

[Service]
ExecStart=/bin/sh -c 'until [ "$(systemctl is-active ignition-disks.service)" = activating ]; do sleep 0.5; done; sleep 2; systemctl kill --signal=KILL ignition-disks.service'
"""


def make_extra(path, peer):
    """The files of that folder."""
    units = path / "usr/lib/systemd/system"
    (units / "initrd.target.wants").mkdir(parents=True)
    for name, text in (("test-busy.service", BUSY_UNIT), ("test-kill.service", KILL_UNIT)):
        (units / name).write_text(text)
        (units / "initrd.target.wants" / name).symlink_to(f"../{name}")
    if peer:
        # It labels files on every distribution; this one has no labels.
        setfiles = path / "usr/sbin/setfiles"
        setfiles.parent.mkdir(parents=True)
        setfiles.write_text("#!/bin/sh\ncat >/dev/null\nexit 0\n")
        setfiles.chmod(0o755)


def root_extra():
    """What the peer needs on the root besides: it takes every distribution to have SELinux."""
    def make(path):
        (path / "etc/selinux").mkdir(parents=True)
        (path / "etc/selinux/config").write_text("SELINUX=disabled\nSELINUXTYPE=none\n")

    return build.cached("root-extra", make)


QUICK = ["fw-cfg", "fails-wrong-hash"]
