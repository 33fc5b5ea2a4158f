"""Boots as on clouds: the config is on a drive, on a disc, or from a metadata service."""

import pathlib

import build
import configs
from boots import NETWORK_CHECKS
from lab import scenario, step

USER_DATA = "openstack/latest/user_data"
# The machine cannot reach the outside: the host may be on a cloud itself, with a service at the same address.
ISOLATED = "restrict=on"


def tree(lab, name, files):
    """A folder with these files."""
    top = lab.work / name
    for path, text in files.items():
        file = top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return top


def iso(lab, label, files):
    """An ISO 9660 image with a label, as most clouds provide."""
    path = lab.work / f"{label}.iso"
    build.run("drive", ["xorrisofs", "-quiet", "-R", "-V", label, "-o", str(path), str(tree(lab, label, files))])
    return path


def udf(lab, name, files):
    """A UDF image, as Azure provides."""
    path = lab.work / f"{name}.udf"
    build.run("disc", ["genisoimage", "-quiet", "-udf", "-V", name, "-o", str(path), str(tree(lab, name, files))])
    return path


def vfat(lab, label, files):
    """A disk with vfat and a label."""
    path = lab.blank(label, 8)
    top = tree(lab, f"{label}.files", files)
    build.run("drive", ["mkfs.vfat", "-n", label, str(path)])
    build.run("files of the drive", ["mcopy", "-s", "-i", str(path), *(str(entry) for entry in top.iterdir()), "::"])
    return path


def metadata(lab, files):
    """A metadata service at its address: options for the network, and the file with the requested paths. QEMU only
    forwards addresses inside of the machine's network, so that one is large."""
    top = tree(lab, "service", files)
    script = pathlib.Path(__file__).with_name("metadata.py")
    network = f"{ISOLATED},net=160.0.0.0/4,guestfwd=tcp:169.254.169.254:80-cmd:{script} {top}"
    return network, top.with_suffix(".requested")


def logged(what, line, times=1):
    """A check that the stages logged this line so many times."""
    return what, f"journalctl -b -o cat -t ignition | grep -c -e '{line}'", f"{times}\n"


def config_with_source(checks, who):
    """A config that also writes the name of its source to a file."""
    document = configs.full(checks)
    document["storage"]["files"].append(configs.file("/etc/who", who))
    return configs.text(document)


@scenario
def openstack_drive(lab):
    """OpenStack: config drive in an IDE CD-ROM, and a network without a metadata service"""
    checks = lab.checks + [
        ("whose config", "cat /etc/who", "drive"),
        logged("a network was asked for", "a network is needed: the metadata service of openstack"),
        logged("who answered", "config drive config-2 answered first: config"),
        logged("nobody complains of what is over", "no config from", 0)]
    drive = iso(lab, "config-2", {USER_DATA: config_with_source(checks, "drive")})
    machine = lab.start(lab.system(), lab.blank(), platform="openstack", network=ISOLATED, drives=[("ide", drive)])
    lab.verify(machine, checks)


@scenario
def openstack_service(lab):
    """OpenStack: the metadata service alone"""
    checks = lab.checks + [
        ("whose config", "cat /etc/who", "service"),
        logged("who answered", "the metadata service answered first: config"),
        logged("no drive was mounted", "mounting config drive", 0)]
    network, requested = metadata(lab, {USER_DATA: config_with_source(checks, "service")})
    machine = lab.start(lab.system(), lab.blank(), platform="openstack", network=network)
    lab.verify(machine, checks)
    assert requested.read_text() == f"/{USER_DATA}\n", f"requested: {requested.read_text()!r}"


@scenario
def openstack_both(lab):
    """OpenStack: drive and service have different configs; one of them is applied, and the log names it"""
    checks = lab.checks + [
        ("one config", "cat /etc/who | grep -c -x -e drive -e service", "1\n"),
        logged("one answer", "answered first: config"),
        ("the answer is the config",
         "journalctl -b -o cat -t ignition | grep -c \"$(cat /etc/who).* answered first: config\"", "1\n")]
    drive = iso(lab, "config-2", {USER_DATA: config_with_source(checks, "drive")})
    network, _ = metadata(lab, {USER_DATA: config_with_source(checks, "service")})
    machine = lab.start(lab.system(), lab.blank(), platform="openstack", network=network, drives=[("scsi", drive)])
    lab.verify(machine, checks)


@scenario
def kubevirt(lab):
    """KubeVirt: NoCloud in a SCSI CD-ROM; no network is started; QEMU's VMware backdoor reports its version"""
    checks = lab.checks + NETWORK_CHECKS + [
        ("backdoor", "kindling developer vmware-backdoor",
         "answers: true, version 0x6, magic 0x564d5868, VMware by the processor: false\n"),
        logged("who answered", "config drive cidata answered first: config")]
    drive = iso(lab, "cidata", {"user-data": configs.text(configs.full(checks)), "meta-data": ""})
    machine = lab.start(lab.system(), lab.blank(), platform="kubevirt", drives=[("scsi", drive)])
    lab.verify(machine, checks)


@scenario
def azurestack(lab):
    """Azure Stack: one drive has another disc; the right one, UDF, is inserted into the second while the boot waits"""
    checks = lab.checks + NETWORK_CHECKS + [
        logged("the disc was mounted", r"\[finished\] mounting disc with custom data /dev/sr1")]
    other = iso(lab, "config-2", {"CustomData.bin": "{}", USER_DATA: "{}"})
    disc = udf(lab, "azure", {"ovf-env.xml": "<x/>", "CustomData.bin": configs.text(configs.full(checks))})
    machine = lab.start(lab.system(), lab.blank(), platform="azurestack", drives=[("ide", other), ("ide", None)],
                        args="systemd.journald.forward_to_console=1")
    machine.wait_for("a look at the other disc", r"/dev/sr0: no disc with custom data")
    step(f"the other disc was looked at after {machine.seconds():.1f} s; the right one is put in")
    machine.insert(1, disc)
    lab.verify(machine, checks)


@scenario
def powervs_late(lab):
    """PowerVS: a vfat drive is plugged in while the boot waits for it"""
    checks = lab.checks + NETWORK_CHECKS + [
        logged("it was waited for", "looking for config drive /dev/disk/by-label/config-2"),
        logged("it was mounted", r"\[finished\] mounting config drive /dev/disk/by-label/config-2")]
    drive = vfat(lab, "config-2", {USER_DATA: configs.text(configs.full(checks))})
    machine = lab.start(lab.system(), lab.blank(), platform="powervs", args="systemd.journald.forward_to_console=1")
    machine.wait_for("the wait for the drive", r"looking for config drive")
    step(f"the drive is looked for after {machine.seconds():.1f} s; it is plugged in")
    machine.plug(drive)
    lab.verify(machine, checks)
