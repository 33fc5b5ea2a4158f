"""Machines that are provisioned and then logged in to by ssh, with the key of the config."""

import shutil

import build
import configs
from clouds import iso
from lab import scenario, step
from languages import lines
from ssh import free_port, log_in, make_key

# The address that QEMU's network expects its guest to have.
NETWORK = "[Match]\nName=eth0\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\nLinkLocalAddressing=no\n"
HELLO = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/touch /run/%i\n[Install]\nWantedBy=multi-user.target\n"
MACHINE_ID = "0123456789abcdef0123456789abcdef\n"
UNITS = ["ssh.service", "systemd-networkd.service", "hello@one.service", "hello@two.service"]


def document(key):
    """A config with a user, a network, and units to enable: of the distribution, of a template, one that was masked."""
    return configs.config(
        passwd={"users": [{"name": "core", "shell": "/bin/bash", "sshAuthorizedKeys": [key]}]},
        storage={"files": [configs.file("/etc/systemd/network/10-eth0.network", NETWORK)]},
        systemd={"units": [
            {"name": "hello@.service", "contents": HELLO},
            {"name": "systemd-networkd.socket", "mask": False},
            *({"name": name, "enabled": True, **({"mask": False} if "networkd" in name else {})}
              for name in UNITS)]})


def system(lab, machine_id):
    """A system disk with an ssh server, and this machine id before its first boot."""
    path = lab.work / "system.img"
    build.copy_disk(build.system_disk(lab.tree, lab.overlay, ",openssh-server"), path)
    if machine_id:
        build.replace_on(path, build.ROOT, "/etc/machine-id", lab.write("machine-id", machine_id), 0o444)
    return path


def provision_and_log_in(lab, machine_id):
    """Boots a machine and checks its units by ssh."""
    assert shutil.which("ssh"), "ssh is missing here: tests/needs.sh boot installs it"
    key, public = make_key(lab.work)
    port = free_port()
    machine = lab.start(system(lab, machine_id), document=document(public),
                        network=f"hostfwd=tcp:127.0.0.1:{port}-:22")
    # Units may still be starting when the server answers.
    command = ("for unit in " + " ".join(UNITS) + "; do for i in $(seq 120); do"
               " [ \"$(systemctl is-active $unit)\" = active ] && break; sleep 1; done;"
               " echo $unit $(systemctl is-active $unit) $(systemctl is-enabled $unit); done;"
               " cat /etc/machine-id")
    found = log_in(lab.work, machine, port, key, command)
    step(f"logged in after {machine.seconds():.1f} s")
    *units, found_id = found.splitlines()
    assert units == [f"{unit} active enabled" for unit in UNITS], f"units of the machine:\n{found}"
    assert not machine_id or found_id == machine_id.strip(), f"the machine has another id: {found_id}"
    machine.cut_power()


@scenario
def ssh(lab):
    """ssh logs in with the key of the config, and every enabled unit runs, because of presets"""
    provision_and_log_in(lab, None)


@scenario
def ssh_again(lab):
    """the same on a root with a machine id, where systemd applies no presets"""
    provision_and_log_in(lab, MACHINE_ID)


# The number of lines in the file is how often it ran.
RUNCMD = ["echo ran >>/var/lib/ran", ["touch", "/var/lib/with words"]]


def user_data(key):
    """A typical cloud-config for a machine to log in to."""
    return {
        "hostname": "cloud-1", "users": [
            {"name": "core", "shell": "/bin/bash", "groups": "sudo", "sudo": "ALL=(ALL) NOPASSWD:ALL",
             "ssh_authorized_keys": [key]}],
        "write_files": [{"path": "/etc/systemd/network/10-eth0.network", "content": NETWORK}],
        "runcmd": RUNCMD}


@scenario
def nocloud(lab):
    """a cloud-config on a NoCloud disc: ssh logs in, and runcmd has run only once even after a second boot"""
    key, public = make_key(lab.work)
    disk = system(lab, None)
    build.change_on(disk, build.ROOT, *(f"rm /etc/systemd/system/systemd-networkd.{kind}" for kind in ("service", "socket")))
    document = user_data(public)
    drive = iso(lab, "cidata", {"user-data": "#cloud-config\n" + "\n".join(lines(document)) + "\n",
                                "meta-data": "instance-id: i-1\n"})
    for boot in ("first", "second"):
        port = free_port()
        machine = lab.start(disk, platform="kubevirt", drives=[("scsi", drive)],
                            network=f"hostfwd=tcp:127.0.0.1:{port}-:22")
        command = ("for i in $(seq 120); do [ \"$(systemctl is-system-running)\" = starting ] || break; sleep 1; done;"
                   " uname -n; cat /var/lib/ran; stat -c %F '/var/lib/with words'; systemctl --failed --no-legend --plain;"
                   " ls /boot/ignition.firstboot 2>/dev/null; sync")
        found = log_in(lab.work, machine, port, key, command)
        step(f"{boot} boot: logged in after {machine.seconds():.1f} s")
        assert found == "cloud-1\nran\nregular empty file\n", f"after the {boot} boot:\n{found}"
        machine.cut_power()
