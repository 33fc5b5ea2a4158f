"""What a boot starts from: the root tree, the initramfs, the disk image. Each is made once and kept by the hash
of everything it is made of, so that a second run starts at once."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

REPO = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("KINDLING_BOOT_CACHE", REPO / "target" / "boot-cache"))

SUITE = "bookworm"
# What the machine under test has. The programs that provisioning needs are in the initramfs, not here.
PACKAGES = "systemd,systemd-sysv,udev,dbus,passwd,kmod,e2fsprogs,util-linux,mount,login"

MIB = 1 << 20
SECTOR = 512
# (name, label, first MiB, MiB) of the system disk's partitions. The boot loader's one is apart, as it is where
# a boot loader reads the first-boot flag.
BOOT = ("boot", 1, 63)
ROOT = ("root", 64, 900)
DISK_MIB = 1024


class BuildError(Exception):
    """A step of the preparation failed; its text says which and why."""


def run(what, command, **options):
    """Runs a command; if it fails, says at what and shows the end of what it printed."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", check=False, **options)
    if done.returncode != 0:
        tail = "\n    ".join(done.stdout.splitlines()[-30:])
        raise BuildError(f"{what}: {command[0]} ended with status {done.returncode}:\n    {tail}")
    return done.stdout


def digest(*parts):
    """One name for a list of texts and files."""
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
    """Every file below a folder, with its name, in a fixed order."""
    for path in sorted(top.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(top))
            yield path


def cached(name, make):
    """The file or folder of that name in the cache; `make(path)` makes it if it is not there."""
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
    """The cache does not grow without end: what was not used for longest goes."""
    entries = sorted(CACHE.glob("[a-z]*"), key=lambda p: p.stat().st_mtime, reverse=True)
    for path in entries[keep:]:
        remove(path)


def kernel():
    """The newest Debian cloud kernel that is installed here: its version and its file."""
    images = sorted(pathlib.Path("/boot").glob("vmlinuz-*-cloud-amd64"))
    if not images:
        raise BuildError("kernel: no /boot/vmlinuz-*-cloud-amd64; tests/needs.sh boot installs it")
    return images[-1].name.removeprefix("vmlinuz-"), images[-1]


def root_tar(extra=""):
    """Debian, unpacked by its own tools."""
    packages = PACKAGES + extra

    def make(path):
        path.mkdir()
        run("root tree", [
            "mmdebstrap", "--variant=minbase", f"--include={packages}",
            "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*", SUITE, str(path / "root.tar")])

    return cached(f"debian-{digest(SUITE, packages)}", make) / "root.tar"


def installed(binary):
    """What `make install` lays out, in a folder of its own: everything of kindling that the tests use comes
    from there, so a file that is not installed is missing here, too."""
    sources = [REPO / "Makefile", *tree_files(REPO / "dracut"), binary]

    def make(path):
        run("make install", ["make", "-C", str(REPO), "install-files",
                             f"DESTDIR={path}", "PREFIX=/usr", f"BINARY={binary}"])

    return cached(f"installed-{digest(*sources)}", make)


def initramfs(module, tree, binary=None, stand_in=None, options=()):
    """An initramfs for any machine, with one provisioning module: `kindling` from the installed tree, or the
    peer's `ignition`. `stand_in` is copied over its root, for what a distribution without SELinux lacks."""
    version, _ = kernel()
    dracut_version = run("dracut", ["dpkg-query", "-W", "-f", "${Version}", "dracut-core"])
    source = (tree / "usr/lib/dracut/modules.d/30kindling" if module == "kindling"
              else pathlib.Path("/usr/lib/dracut/modules.d/30ignition"))
    parts = [module, version, dracut_version, " ".join(options), pathlib.Path(__file__),
             *tree_files(source), *(tree_files(stand_in) if stand_in else ())]
    if binary:
        parts.append(binary)

    def make(path):
        with tempfile.TemporaryDirectory(prefix="kindling-dracut-") as scratch:
            base = dracut_base(pathlib.Path(scratch), module, source, binary)
            command = [
                "dracut", "--force", "--no-hostonly", "--no-hostonly-cmdline", "--quiet",
                "--conf", "/dev/null", "--confdir", f"{scratch}/conf.d", "--kver", version,
                # Unpacking is what an emulated machine is slow at.
                "--no-compress",
                "--add", module,
                "--omit", "plymouth i18n nvdimm virtiofs lunmask resume overlay-root btrfs memstrack biosdevname",
                *options]
            if stand_in:
                command += ["--include", str(stand_in), "/"]
            run("initramfs", [*command, str(path)], env=dict(os.environ, dracutbasedir=str(base)))

    return cached(f"initramfs-{module}-{digest(*parts)}", make)


def dracut_base(scratch, module, source, binary):
    """dracut's own folder, with just one module for the first boot in it, whatever this host has installed."""
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


def system_disk(tree, overlay=None, extra=""):
    """A disk with a boot and a root partition, Debian and kindling's real-root part on them, and the first-boot
    flag set."""
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
            # systemd sees the first boot of a fresh machine and applies presets.
            (root / "etc/machine-id").write_text("uninitialized\n")
            # Services that have nothing to do here, and would only cost time.
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
            with open(path, "wb") as file:
                file.truncate(DISK_MIB * MIB)
            layout = "label: gpt\n" + "".join(
                f"start={start * MIB // SECTOR}, size={size * MIB // SECTOR}, name={name}\n"
                for name, start, size in (BOOT, ROOT))
            subprocess.run(["sfdisk", "--quiet", "--no-reread", str(path)], input=layout, text=True, check=True)
            for (name, start, size), content in ((BOOT, boot), (ROOT, root)):
                run(f"{name} file system", [
                    "mkfs.ext4", "-q", "-L", name, "-d", str(content), "-E", f"offset={start * MIB}",
                    str(path), f"{size}M"])

    return cached(f"disk-{digest(*parts)}", make)


def copy_disk(source, target):
    """A disk of the test's own; holes stay holes."""
    run("copy of the disk", ["cp", "--sparse=always", "--reflink=auto", str(source), str(target)])


def exists_on(disk, part, path):
    """Whether a partition of a disk that no machine uses holds a file. Plays the boot loader, which reads the
    file system as it is on disk, without its journal."""
    _, start, _ = part
    out = run(f"look for {path}", ["debugfs", "-R", f"stat {path}", f"{disk}?offset={start * MIB}"])
    return "Inode:" in out
