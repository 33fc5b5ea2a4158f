"""Boots that succeed, immediately or after a power cut."""

import shutil
import time

import build
import configs
import extra
from lab import FolderServer, Server, scenario, step

NETWORK_CHECKS = [
    # The network must not have been started; the journal includes the initramfs.
    ("network units of the initramfs", "journalctl -b -o cat -u systemd-networkd.service -u kindling-network.service"
     " | grep -c -e 'up, by' -e 'Gained carrier'", "0\n"),
]


@scenario
def fw_cfg(lab):
    """config from QEMU's firmware; no network is started; the second boot does not provision"""
    checks = lab.checks + ([] if lab.peer else NETWORK_CHECKS)
    system, data = lab.system(), lab.blank()
    step("first boot")
    machine = lab.start(system, data, document=configs.full(checks), network=True)
    lab.verify(machine, checks)
    step("second boot: the config has changed, and must not be looked at")
    assert not lab.flag(system), "the first-boot flag is still on the boot file system"
    later = [
        ("result file is of the first boot", "id=$(sed -n 's/.*provisioningBootID\": \"\\(.*\\)\",/\\1/p' "
         "/etc/.ignition-result.json); echo ${#id} $(grep -c -e $id /proc/sys/kernel/random/boot_id)", "36 0\n"),
        ("no config was looked for", "ls /run/ignition.json /run/ignition/state 2>&1 | grep -c 'No such'", "2\n"),
        ("no stage ran", "journalctl -b -o cat -t ignition | wc -l", "0\n")]
    again = configs.config(storage={"files": [configs.file("/etc/motd", "twice\n", overwrite=True)]})
    rewrite_script(lab, system, checks + later)
    machine = lab.start(system, data, document=again)
    lab.verify(machine, checks + later)


def rewrite_script(lab, system, checks):
    """Replaces the report script on a disk that is not in use, for a boot with other checks."""
    script = lab.write("boot-report", configs.report_script(checks))
    build.replace_on(system, build.ROOT, "/usr/local/bin/boot-report", script, 0o755)


@scenario
def url(lab):
    """config from a URL on the command line; the initramfs brings the network up; a file is fetched as well"""
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
    lab.verify(machine, checks)
    assert "/config.ign" in server.requested and "/file" in server.requested, f"asked for: {server.requested}"


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
    lab.verify(machine)


GRUB_CFG = """
serial --unit=0
terminal_output serial
set medium=$root
search --no-floppy --set=root --label boot
source ($medium)/05_ignition.cfg
linux ($medium)/vmlinuz {words} ${{ignition_firstboot}}
initrd ($medium)/initrd
boot
"""


@scenario
def grub(lab):
    """GRUB with the fragment: it finds the flag with its arguments, but not after a power cut right after the end"""
    question = ("kernel arguments", "grep -o 'ignition.firstboot.*' /proc/cmdline || echo none")
    checks = [*lab.checks, (*question, "ignition.firstboot test.of=grub\n")]
    system, data = lab.system(), lab.blank()
    flag = lab.write("flag", "set ignition_network_kcmdline='test.of=grub'\n")
    build.replace_on(system, build.BOOT, "/ignition.firstboot", flag, 0o644)
    medium = lab.work / "medium"
    (medium / "boot/grub").mkdir(parents=True)
    (medium / "boot/grub/grub.cfg").write_text(GRUB_CFG.format(words=lab.words()))
    for name, source in (("vmlinuz", lab.kernel), ("initrd", lab.initrd),
                         ("05_ignition.cfg", lab.tree / "usr/lib/bootupd/grub2-static/configs.d/05_ignition.cfg")):
        shutil.copy(source, medium / name)
    iso = lab.work / "grub.iso"
    build.run("GRUB", ["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "--fonts=", "--locales=", "--themes=",
                       "-o", str(iso), str(medium)])
    step("first boot; power is cut as soon as the machine has reported")
    machine = lab.start(system, data, document=configs.full(checks, power_off=False), grub=iso)
    machine.wait_report("the first boot through GRUB")
    machine.cut_power()
    configs.check_answers(configs.read_report(machine.report(), checks), checks)
    step("second boot")
    machine = lab.start(system, data, grub=iso)
    machine.wait_report("the second boot through GRUB")
    checks[-1] = (*question, "none\n")
    configs.check_answers(configs.read_report(machine.report(), checks), checks)


@scenario
def drop_in(lab):
    """the binary in Debian's own module for Ignition, with its units and its generator"""
    # The distribution is responsible for the flag then.
    checks = [check for check in configs.CHECKS if check[0] != "flag cleared"]
    initrd = build.initramfs("ignition", lab.tree, lab.binary, extra.initramfs(peer=False))
    machine = lab.start(lab.system(), lab.blank(), document=configs.full(checks), initrd=initrd)
    lab.verify(machine, checks)


@scenario
def virtiofs(lab):
    """a folder of the host is mounted by its tag, and files of the config are written to it"""
    shared = lab.work / "shared"
    shared.mkdir()
    document = configs.full(lab.checks)
    document["ignition"]["version"] = "3.7.0-experimental"
    document["storage"]["filesystems"].append(
        {"device": "host files", "format": "virtiofs", "path": "/srv/host", "mountOptions": ["noatime"]})
    document["storage"]["files"].append(configs.file("/srv/host/deep/file", "for the host\n", 0o640))
    with FolderServer(lab.work / "share.socket", shared) as socket:
        machine = lab.start(lab.system(), lab.blank(), document=document, share=("host files", socket))
        lab.verify(machine)
    found = shared / "deep/file"
    assert found.read_text() == "for the host\n", f"{found} holds {found.read_text()!r}"
    assert found.stat().st_mode & 0o7777 == 0o640, f"{found} has mode {found.stat().st_mode:o}"


# --- power cuts -------------------------------------------------------------------------------------------------

@scenario
def cut_in_disks(lab):
    """power cut in the middle of the disks stage: the next boot completes as if nothing had happened"""
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
    lab.verify(machine)
    assert not lab.flag(system), "the first-boot flag is still on the boot file system"


def partitions_of(disk):
    """Names and offsets of the partitions in a disk's GPT, if it has one yet."""
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
    """Whether there is an ext4 superblock for a file system at this offset."""
    with open(disk, "rb") as file:
        file.seek(start + 1080)
        return file.read(2) == b"\x53\xef"


@scenario
def cut_in_files(lab):
    """power cut in the middle of the files stage: the next boot completes as if nothing had happened"""
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
    # Long enough for the root file system to commit its journal, so that half of the stage is on disk.
    time.sleep(8)
    machine.cut_power()
    step(f"cut after {machine.seconds():.1f} s")
    assert lab.flag(system), "the first-boot flag is gone, although the first boot did not end"
    assert not build.exists_on(system, build.ROOT, "/etc/two"), "the cut came too late: all files are there"
    server.stall = None
    step("the boot after it")
    machine = lab.start(system, data, document=document, network=True)
    lab.verify(machine, checks)
    assert not lab.flag(system), "the first-boot flag is still on the boot file system"
