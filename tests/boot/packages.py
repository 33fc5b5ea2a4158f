#!/usr/bin/env python3
"""The Debian packages on a fresh Debian in QEMU, as a person uses them: installed, removed and installed, a first boot
requested with the lines of the README, a login by ssh, and the packages removed from the provisioned machine.

    tests/boot/packages.py [--arch amd64|arm64] [--suite SUITE] [--packages FOLDER] [--keep]
"""

import argparse
import contextlib
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import typing

import build
import configs
from lab import PROMPT, step
from ssh import free_port, log_in, make_key
from vm import Machine


class Arch(typing.NamedTuple):
    """What depends on the architecture."""

    suite: str  # the oldest release of Debian that its packages are for
    console: str
    grub: str
    firmware: str
    # For programs that do not run here by themselves, and the number of their processor in ELF headers.
    emulator: str | None = None
    machine: int = 0


# Debian's Rust in sid builds the packages of other architectures, for the releases from 13 on.
ARCHES = {
    "amd64": Arch("bookworm", "ttyS0", "x86_64-efi", "/usr/share/ovmf/OVMF.fd"),
    "arm64": Arch("trixie", "ttyAMA0", "arm64-efi", "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd", "qemu-aarch64-static", 183),
}
# What an installed Debian has, without documentation.
PACKAGES = ("systemd,systemd-sysv,udev,dbus,passwd,kmod,e2fsprogs,util-linux,mount,login,apt,initramfs-tools,"
            "openssh-server,linux-image-cloud-{arch},grub-efi-{arch}")
ESP = ("esp", 1, 63)
ROOT = ("root", 64, 1900)
DISK_MIB = 2048
# Emulated machines of another architecture are slow, and an initramfs is made three times.
LIMIT_SECONDS = 3600

# Runs once in the installed system, before any first boot. `tree` lists what is in it: without what a package manager
# writes about any package, and without the size of an initramfs, which depends on what made it.
SETUP = r"""#!/bin/bash
set -eux -o pipefail
trap 'echo "@@ failed: $BASH_COMMAND"; sync; systemctl poweroff --force' ERR
export DEBIAN_FRONTEND=noninteractive HOME=/root
tree() {
    find / -xdev \( -path /root -o -path /run -o -path /tmp -o -path /var/log -o -path /var/cache -o -path /var/lib/apt \
        -o -path /var/lib/dpkg -o -path /var/lib/systemd -o -path '/var/tmp/*' -o -path /boot/efi \) -prune -o \
        -printf '%p %y %m %u:%g %l ' \( -path '/boot/initrd*' -o -type d -o -printf '%s' \) -printf '\n' | sort
}
needed=$(apt-get install --simulate /root/packages/*.deb | sed -n 's/^Inst \([^ ]*\) .*/\1/p' | grep -v kindling)
apt-get install -y $needed
tree > /root/before
apt-get install -y /root/packages/*.deb
[ "$(lsinitrd | grep -c kindling-generator)" -gt 0 ]
kindling --version
apt-get purge -y kindling kindling-initramfs
tree > /root/after
diff /root/before /root/after && echo '@@ removed without a trace'
[ "$(lsinitrd | grep -c kindling)" = 0 ]
apt-get install -y /root/packages/*.deb
grub-install --target=@TARGET@ --removable --no-nvram
@README@
grep -q 'ignition_firstboot' /boot/grub/grub.cfg
rm -f /etc/systemd/system/multi-user.target.wants/setup.service
sync
echo '@@ set up'
systemctl poweroff
"""
SETUP_UNIT = """
[Unit]
Description=Installation of the packages

[Service]
Type=oneshot
ExecStart=/root/setup
StandardOutput=journal+console
StandardError=journal+console
TimeoutStartSec=infinity
"""
NETWORK = "[Match]\nName=en* eth*\n[Network]\nDHCP=yes\n"
# What must be true of the provisioned machine, and how it ends up without the packages.
PROVISIONED = ("cat /etc/motd; stat -c %a /etc/motd; ls /boot/ignition.firstboot 2>&1 | grep -c 'No such';"
               " grep -c ignition.firstboot /proc/cmdline; kindling report >/dev/null && echo reported; dpkg --print-architecture")
REMOVE = ("export DEBIAN_FRONTEND=noninteractive; apt-get purge -y kindling kindling-initramfs >/var/tmp/purge 2>&1 && echo removed;"
          " sed -i '/ignition_firstboot/d' /etc/default/grub; update-grub 2>/dev/null;"
          " find /boot /etc /usr /var -xdev -iname '*kindling*' ! -path '/var/lib/apt/*';"
          " lsinitrd | grep -c kindling; sync")


def readme_lines():
    """The two lines of the README that request a first boot."""
    text = (build.REPO / "README.md").read_text()
    return re.search(r"```\n(echo 'GRUB_CMDLINE_LINUX=.*\n.*)\n```", text).group(1)


@contextlib.contextmanager
def programs_run(arch):
    """Registers QEMU for programs of the architecture with this kernel, if they do not run already."""
    with contextlib.ExitStack() as undo:
        if arch.emulator is not None:
            register(arch, undo)
        yield


def register(arch, undo):
    """Registers the emulator. What this changes on the host is put into `undo`."""
    emulator = shutil.which(arch.emulator)
    if not emulator:
        raise build.BuildError(f"{arch.emulator} is missing; tests/needs.sh boot-packages installs it")
    folder = pathlib.Path("/proc/sys/fs/binfmt_misc")
    if not (folder / "register").exists():
        build.run("register the emulator", ["mount", "-t", "binfmt_misc", "none", str(folder)])
        undo.callback(build.run, "unregister the emulator", ["umount", str(folder)])
    if any(emulator in entry.read_text() for entry in folder.glob("*aarch64*")):
        return
    entry = folder / "kindling-test-aarch64"
    head = r"\x7fELF\x02\x01\x01" + r"\x00" * 9 + rf"\x02\x00\x{arch.machine:02x}\x00"
    mask = r"\xff" * 7 + r"\x00" + r"\xff" * 8 + r"\xfe\xff\xff\xff"
    (folder / "register").write_text(f":{entry.name}:M::{head}:{mask}:{emulator}:F")
    undo.callback(entry.write_text, "-1")


def find_packages(folder, arch):
    """The packages of this architecture."""
    found = sorted(folder.glob(f"kindling*_{arch}.deb"))
    if len(found) != 2:
        made_by = "make deb" if ARCHES[arch].emulator is None else f"make cross ARCHES={arch}"
        raise build.BuildError(f"{folder} has {len(found)} packages for {arch}, not 2; `{made_by}` builds them")
    return found


def make_tree(work, name, arch, suite, packages):
    """A Debian with the packages, and everything that they depend on, in files that apt can install from."""
    tree = work / "tree"
    names = PACKAGES.format(arch=name)
    with programs_run(arch):
        build.run("Debian", [
            "mmdebstrap", "--variant=minbase", f"--architectures={name}", f"--include={names}", "--skip=cleanup/apt",
            "--customize-hook=mkdir $1/root/packages",
            "--customize-hook=copy-in " + " ".join(map(str, packages)) + " /root/packages",
            "--customize-hook=chroot $1 sh -c 'apt-get install -y --no-install-recommends --download-only /root/packages/*.deb'",
            suite, str(tree)])
    for path, text in {
            "etc/fstab": "LABEL=root / ext4 defaults 0 1\nLABEL=ESP /boot/efi vfat defaults 0 2\n",
            "etc/apt/apt.conf.d/50test": 'APT::Install-Recommends "false";\n',
            "etc/default/grub": f'GRUB_TIMEOUT=1\nGRUB_CMDLINE_LINUX="console={arch.console} norandmaps"\n',
            # Compression is slow in an emulated machine.
            "etc/dracut.conf.d/50-test.conf": 'compress="cat"\n',
            "root/setup": SETUP.replace("@README@", readme_lines()).replace("@TARGET@", arch.grub),
            "etc/systemd/system/setup.service": SETUP_UNIT}.items():
        (tree / path).parent.mkdir(exist_ok=True)
        (tree / path).write_text(text)
    (tree / "root/setup").chmod(0o755)
    (tree / "boot/efi").mkdir()
    (tree / "boot/grub").mkdir(exist_ok=True)
    wants = tree / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "setup.service").symlink_to("../setup.service")
    (tree / "etc/systemd/system/networking.service").symlink_to("/dev/null")
    return tree


def make_disk(work, tree):
    """A disk with an empty EFI system partition, and the tree in its root partition."""
    path = work / "system.img"
    build.make_partitions(path, DISK_MIB, (ESP, ROOT))
    _, start, size = ESP
    esp = work / "esp.img"
    with open(esp, "wb") as file:
        file.truncate(size * build.MIB)
    build.run("ESP", ["mkfs.vfat", "-F", "16", "-n", "ESP", str(esp)])
    with open(path, "r+b") as file:
        file.seek(start * build.MIB)
        file.write(esp.read_bytes())
    _, start, size = ROOT
    build.run("root", ["mkfs.ext4", "-q", "-L", "root", "-d", str(tree), "-E", f"offset={start * build.MIB}", str(path),
                       f"{size}M"])
    return path


class Lab:
    """The machine of this test."""

    def __init__(self, work, name):
        self.work = work
        self.name = name
        self.arch = ARCHES[name]

    def start(self, disk, program, **options):
        """Starts the machine with what it boots from, for a `with` that ends it."""
        return contextlib.closing(Machine(self.work, program, [(disk, "system")], limit=LIMIT_SECONDS, memory=2048,
                                          arch=self.name, **options))

    def boot(self, disk, document, port):
        """Starts the machine by its firmware; its ssh server is at a port of this host."""
        config = self.work / "config.ign"
        config.write_text(configs.text(document))
        return self.start(disk, ["-bios", self.arch.firmware], fw_cfg=[("opt/com.coreos/config", config)],
                          network=f"hostfwd=tcp:127.0.0.1:{port}-:22")


def set_up(lab, disk, tree):
    """Installs the packages in the machine, and requests a first boot."""
    step("apt-get install, purge and install; the two lines of the README")
    kernel, initrd = (next(iter(sorted((tree / "boot").glob(f"{name}-*")))) for name in ("vmlinuz", "initrd.img"))
    with lab.start(disk, ["-kernel", str(kernel), "-initrd", str(initrd),
                          "-append", f"console={lab.arch.console} root=LABEL=root rw norandmaps"]) as machine:
        machine.wait_end("the installation", unless=PROMPT)
        for mark in ("removed without a trace", "set up"):
            assert re.search(rf"\]: @@ {mark}$", machine.plain(), re.MULTILINE), f"not {mark}:\n{machine.tail(80)}"
        step(f"installed after {machine.seconds():.0f} s")


def provision(lab, disk, key, public):
    """The first boot; then the packages are removed, and the machine boots as before."""
    document = configs.config(
        passwd={"users": [{"name": "root", "sshAuthorizedKeys": [public]}]},
        storage={"files": [configs.file("/etc/motd", "provisioned\n", 0o640, overwrite=True),
                           configs.file("/etc/systemd/network/10-test.network", NETWORK)]},
        systemd={"units": [{"name": "systemd-networkd.service", "enabled": True}]})
    port = free_port()
    with lab.boot(disk, document, port) as machine:
        found = log_in(lab.work, machine, port, key, PROVISIONED, "root", LIMIT_SECONDS)
        expected = f"provisioned\n640\n1\n1\nreported\n{lab.name}\n"
        assert found == expected, f"the provisioned machine answered {found!r}, not {expected!r}\n{machine.tail()}"
        step(f"provisioned, and logged in by ssh after {machine.seconds():.0f} s")
        found = log_in(lab.work, machine, port, key, REMOVE, "root", LIMIT_SECONDS)
        assert found == "removed\n0\n", f"after removing the packages: {found!r}"
    with lab.boot(disk, document, port) as machine:
        found = log_in(lab.work, machine, port, key, "cat /etc/motd; grep -c ignition /proc/cmdline", "root", LIMIT_SECONDS)
        assert found == "provisioned\n0\n", f"the machine without the packages answered {found!r}"
        step(f"removed; a boot without them took {machine.seconds():.0f} s to a login")


def main():
    """Runs the test; the exit status reports whether it passed."""
    parser = argparse.ArgumentParser(description="the Debian packages on a fresh Debian in QEMU")
    parser.add_argument("--arch", choices=ARCHES, default="amd64")
    parser.add_argument("--suite", help="the release of Debian; by default the oldest that the packages are for")
    parser.add_argument("--packages", type=pathlib.Path, default=build.REPO / "target/dist", help="where the packages are")
    parser.add_argument("--keep", action="store_true", help="keeps the disk and the console log, and says where")
    options = parser.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix=f"kindling-packages-{options.arch}-"))
    lab = Lab(work, options.arch)
    try:
        packages = find_packages(options.packages.resolve(), options.arch)
        step(f"a fresh Debian for {options.arch}")
        tree = make_tree(work, options.arch, lab.arch, options.suite or lab.arch.suite, packages)
        disk = make_disk(work, tree)
        set_up(lab, disk, tree)
        provision(lab, disk, *make_key(work))
    except (AssertionError, build.BuildError) as error:
        print(f"FAILED: {error}")
        return 1
    finally:
        if options.keep:
            print(f"kept: {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)
    print("the packages hold")
    return 0


if __name__ == "__main__":
    # Ends the machine, and removes the emulator from the kernel, even if this is terminated.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
