"""Builds what a boot needs: the root tree, the initramfs, the disk image. Each is cached by the hash of its inputs, so
that a second run starts immediately."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

REPO = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("KINDLING_BOOT_CACHE", REPO / "target" / "boot-cache"))

SUITE = "bookworm"
# Packages of the machine under test. The programs for provisioning are in the initramfs.
PACKAGES = "systemd,systemd-sysv,udev,dbus,passwd,kmod,e2fsprogs,util-linux,mount,login"

MIB = 1 << 20
SECTOR = 512
# (label, start, size) of the system disk's partitions, in MiB. There is a separate boot partition, from which boot
# loaders read the first-boot flag.
BOOT = ("boot", 1, 63)
ROOT = ("root", 64, 900)
DISK_MIB = 1024


class BuildError(Exception):
    """A step of the preparation failed; the text has the step and the cause."""


def run(what, command, **options):
    """Runs a command; if it fails, raises an error with the end of its output."""
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", check=False, **options)
    if result.returncode != 0:
        tail = "\n    ".join(result.stdout.splitlines()[-30:])
        raise BuildError(f"{what}: {command[0]} ended with status {result.returncode}:\n    {tail}")
    return result.stdout


def digest(*parts):
    """A digest of a list of texts and files."""
    sum_ = hashlib.sha256()
    for part in parts:
        if isinstance(part, pathlib.Path):
            part = part.read_bytes()
        elif isinstance(part, str):
            part = part.encode()
        sum_.update(len(part).to_bytes(8, "big"))
        sum_.update(part)
    return sum_.hexdigest()[:20]


def tree_files(top):
    """The name and path of every file below a folder, in a fixed order."""
    for path in sorted(top.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(top))
            yield path


def cached(name, make):
    """The file or folder of that name in the cache; `make(path)` creates it if it is missing."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / name
    if not path.exists():
        part = CACHE / f".{name}.part"
        remove(part)
        make(part)
        part.rename(path)
    os.utime(path)
    return path


def remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def prune(keep=16):
    """Limits the size of the cache by removing the least recently used entries."""
    entries = sorted(CACHE.glob("[a-z]*"), key=lambda p: p.stat().st_mtime, reverse=True)
    for path in entries[keep:]:
        remove(path)


def kernel():
    """The newest installed Debian cloud kernel: its version and its file."""
    images = sorted(pathlib.Path("/boot").glob("vmlinuz-*-cloud-amd64"))
    if not images:
        raise BuildError("kernel: no /boot/vmlinuz-*-cloud-amd64; tests/needs.sh boot installs it")
    return images[-1].name.removeprefix("vmlinuz-"), images[-1]


def root_tar(extra=""):
    """A root tree of Debian, as a tar archive."""
    packages = PACKAGES + extra

    def make(path):
        path.mkdir()
        run("root tree", [
            "mmdebstrap", "--variant=minbase", f"--include={packages}",
            "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*", SUITE, str(path / "root.tar")])

    return cached(f"debian-{digest(SUITE, packages)}", make) / "root.tar"


def installed(binary):
    """A folder with the files that `make install` installs. The tests use kindling only from there, so that a file that
    is not installed is missing."""
    sources = [REPO / "Makefile", *tree_files(REPO / "dracut"), binary]

    def make(path):
        run("make install", ["make", "-C", str(REPO), "install-files",
                             f"DESTDIR={path}", "PREFIX=/usr", f"BINARY={binary}"])

    return cached(f"installed-{digest(*sources)}", make)


def initramfs(module, tree, binary=None, overlay=None, options=()):
    """An initramfs for any machine, with one provisioning module: `kindling` from the installed tree, or the peer's
    `ignition`. `overlay` is copied over its root, for files that a distribution without SELinux lacks."""
    version, _ = kernel()
    dracut_version = run("dracut", ["dpkg-query", "-W", "-f", "${Version}", "dracut-core"])
    source = (tree / "usr/lib/dracut/modules.d/30kindling" if module == "kindling"
              else pathlib.Path("/usr/lib/dracut/modules.d/30ignition"))
    parts = [module, version, dracut_version, " ".join(options), pathlib.Path(__file__),
             *tree_files(source), *(tree_files(overlay) if overlay else ())]
    if binary:
        parts.append(binary)

    def make(path):
        with tempfile.TemporaryDirectory(prefix="kindling-dracut-") as scratch:
            base = dracut_base(pathlib.Path(scratch), module, source, binary)
            command = [
                "dracut", "--force", "--no-hostonly", "--no-hostonly-cmdline", "--quiet",
                "--conf", "/dev/null", "--confdir", f"{scratch}/conf.d", "--kver", version,
                # Decompression is slow in an emulated machine.
                "--no-compress",
                "--add", module,
                "--omit", "plymouth i18n nvdimm virtiofs lunmask resume overlay-root btrfs memstrack biosdevname",
                *options]
            if overlay:
                command += ["--include", str(overlay), "/"]
            run("initramfs", [*command, str(path)], env=dict(os.environ, dracutbasedir=str(base)))

    return cached(f"initramfs-{module}-{digest(*parts)}", make)


def dracut_base(scratch, module, source, binary):
    """A copy of dracut's folder with just one module for the first boot, whatever this host has installed."""
    base = scratch / "dracut"
    (base / "modules.d").mkdir(parents=True)
    (scratch / "conf.d").mkdir()
    system = pathlib.Path("/usr/lib/dracut")
    for entry in system.iterdir():
        if entry.name != "modules.d":
            (base / entry.name).symlink_to(entry)
    for entry in (system / "modules.d").iterdir():
        if not entry.name.endswith(("ignition", "kindling")):
            (base / "modules.d" / entry.name).symlink_to(entry)
    copy = base / "modules.d" / f"30{module}"
    shutil.copytree(source, copy)
    if binary:
        shutil.copy(binary, copy / "ignition")
    return base


def make_partitions(path, mib, parts):
    """Makes a disk of that size, with partitions (label, start, size) in MiB. One called "esp" is for EFI."""
    with open(path, "wb") as file:
        file.truncate(mib * MIB)
    layout = "label: gpt\n" + "".join(
        f"start={start * MIB // SECTOR}, size={size * MIB // SECTOR}, type={'U' if name == 'esp' else 'L'}, name={name}\n"
        for name, start, size in parts)
    subprocess.run(["sfdisk", "--quiet", "--no-reread", str(path)], input=layout, text=True, check=True)


def system_disk(tree, overlay=None, extra=""):
    """A disk with a boot and a root partition, with Debian, kindling's real-root part and the first-boot flag."""
    tar = root_tar(extra)
    parts = [str(tar), pathlib.Path(__file__), *tree_files(tree), *(tree_files(overlay) if overlay else ())]

    def make(path):
        with tempfile.TemporaryDirectory(prefix="kindling-root-", dir=CACHE) as scratch:
            root = pathlib.Path(scratch) / "root"
            root.mkdir()
            run("root tree", ["tar", "-xpf", str(tar), "-C", str(root), "--exclude=./dev/*"])
            for source in filter(None, (tree, overlay)):
                run("root tree", ["cp", "-a", f"{source}/.", str(root)])
            (root / "etc/fstab").write_text(
                "LABEL=root / ext4 defaults 0 1\nLABEL=boot /boot ext4 defaults 0 2\n")
            (root / "etc/hostname").unlink(missing_ok=True)
            # Makes systemd detect the first boot of a new machine, and apply presets.
            (root / "etc/machine-id").write_text("uninitialized\n")
            # Services that have nothing to do here would only take time.
            for unit in ("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer",
                         "systemd-timesyncd.service", "getty@tty1.service", "serial-getty@ttyS0.service",
                         "e2scrub_reap.service", "fstrim.timer", "e2scrub_all.timer",
                         "systemd-logind.service", "systemd-update-utmp.service",
                         "systemd-networkd.service", "systemd-networkd.socket",
                         "systemd-update-utmp-runlevel.service", "systemd-tmpfiles-clean.timer",
                         "sys-kernel-debug.mount", "sys-kernel-tracing.mount"):
                (root / "etc/systemd/system" / unit).unlink(missing_ok=True)
                (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
            boot = pathlib.Path(scratch) / "boot"
            boot.mkdir()
            (boot / "ignition.firstboot").touch()
            make_partitions(path, DISK_MIB, (BOOT, ROOT))
            for (name, start, size), content in ((BOOT, boot), (ROOT, root)):
                run(f"{name} file system", [
                    "mkfs.ext4", "-q", "-L", name, "-d", str(content), "-E", f"offset={start * MIB}",
                    str(path), f"{size}M"])

    return cached(f"disk-{digest(*parts)}", make)


def copy_disk(source, target):
    """Copies a disk, keeping it sparse."""
    run("copy of the disk", ["cp", "--sparse=always", "--reflink=auto", str(source), str(target)])


def change_on(disk, part, *requests):
    """Changes the file system of a partition of a disk that is not in use, by requests of debugfs."""
    _, start, _ = part
    for request in requests:
        run(request, ["debugfs", "-w", "-R", request, f"{disk}?offset={start * MIB}"])


def replace_on(disk, part, path, source, mode):
    """Replaces a file there by a copy of another one with this mode."""
    change_on(disk, part, f"rm {path}", f"write {source} {path}", f"set_inode_field {path} mode 010{mode:04o}")


def exists_on(disk, part, path):
    """Whether a partition of a disk that is not in use has a file. Like a boot loader, this reads the file system
    without its journal."""
    _, start, _ = part
    out = run(f"look for {path}", ["debugfs", "-R", f"stat {path}", f"{disk}?offset={start * MIB}"])
    return "Inode:" in out
