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


def scenario(function):
    """Makes a function known by its name, with dashes."""
    SCENARIOS[function.__name__.replace("_", "-")] = function
    return function


def step(what):
    """Says what is going on; a failure is of the last step said."""
    print(f"      {what}", flush=True)


class Lab:
    """Everything a scenario starts from."""

    def __init__(self, work, tree, initrd, peer=False, overlay=None):
        self.work = work
        self.tree = tree
        self.initrd = initrd
        self.peer = peer
        self.overlay = overlay
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

    def start(self, system, *disks, args="", platform="qemu", document=None, quiet=True, limit=240,
              console="console=ttyS0", **options):
        """Starts a machine as its boot loader would: with the first-boot argument exactly if the flag is there."""
        first = "ignition.firstboot" if build.exists_on(system, build.BOOT, "/ignition.firstboot") else ""
        words = [console, "root=LABEL=root", f"ignition.platform.id={platform}", first,
                 "quiet" if quiet else "", "net.ifnames=0", args]
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
        machine.wait_end("the provisioned machine reports and switches itself off")
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


# --- what the initramfs of the tests has besides ---------------------------------------------------------------

def initramfs_extra(peer):
    """A folder that is copied into the initramfs."""
    return build.cached(f"extra-{'peer' if peer else 'own'}-{build.digest(BUSY_UNIT)}", lambda p: make_extra(p, peer))


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


def make_extra(path, peer):
    """The files of that folder."""
    units = path / "usr/lib/systemd/system"
    (units / "initrd.target.wants").mkdir(parents=True)
    (units / "test-busy.service").write_text(BUSY_UNIT)
    (units / "initrd.target.wants/test-busy.service").symlink_to("../test-busy.service")
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


QUICK = ["fw-cfg"]
