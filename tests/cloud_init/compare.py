#!/usr/bin/env python3
"""cloud-init and kindling on the same user data, each on a copy of one Debian root: `make test-cloud-init`.

    compare.py --root TAR [--binary FILE] [--keep DIR] [--time] [NAME ...]

run.sh makes the root with mmdebstrap first.

Debian's cloud-init runs all of its stages in a chroot with a NoCloud seed. kindling is called as `kindling apply --root`,
and then what its units would run at the first boot is run in the chroot as well. Every difference of the two trees must be
one of EXPLAINED, each of which is due to a module in the table of docs/cloud-init.md; any other one fails the test. With
--time the test fails unless all of it takes kindling at most a tenth of the time.

Needs root and overlayfs. Everything happens in mount, network, host name and process namespaces of its own.
"""

import argparse
import os
import pathlib
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
TABLE = REPOSITORY / "docs/cloud-init.md"
INNER = "KINDLING_COMPARE_INNER"
TIME = 1 / 10
META_DATA = """instance-id: i-compare
local-hostname: seeded
public-keys:
- ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE seeded
role: db
"""
STAGES = [
    ["init", "--local"],
    ["init"],
    ["modules", "--mode=config"],
    ["modules", "--mode=final"],
]
# What the program itself and the tools that both call leave besides the effects.
OWN = re.compile(
    r"/var/(lib/cloud|log|cache|lib/(dpkg|apt|systemd|cloud-init-compat))(/|$)"
    r"|/(run|tmp|dev|proc|sys)(/|$)|/etc/\.ignition-result\.json$"
    r"|/etc/(passwd|group|shadow|gshadow|subuid|subgid)-$|/etc/\.pwd\.lock$|/root/\.(cache|bash_history)"
)
DATABASES = {"/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/subgid"}

# Differences that are meant: a module of the table, what a difference looks like, and why it is there.
EXPLAINED = [
    ("users and groups", r"/etc/sudoers\.d: 750 ", "cloud-init changes the mode of the directory"),
    ("users and groups", r"/etc/sudoers\.d/90-cloud-init-users: line .*: # (Created by cloud-init|Made from the users)",
     "the head of the file"),
    ("users and groups", r"/home/\w+/\.ssh: directory only by cloud-init", "made for accounts without keys, too"),
    ("users and groups", r"/home/\w+/\.ssh/authorized_keys: empty file only by cloud-init", "the same"),
    ("users and groups", r"^(users-default-and-own|users-new-groups) /etc/(group|passwd): \w+: field [23]: '\d+'",
     "groups are made before accounts, so that their ids differ"),
    ("users and groups", r"^users-default-and-own /home/\w+(/\S+)?: \d+ (\d+):\d+ by cloud-init, \d+ \2:\d+ by kindling",
     "the same"),
    ("users and groups", r"/etc/g?(group|shadow): crew: field 3: '' by cloud-init, 'ada'",
     "members of groups may be accounts of the same config, which cloud-init leaves out"),
    ("users and groups", r"/etc/shadow: ada: field 1: '!' by cloud-init, '\*' by kindling",
     "an account without a password that is not to be locked"),
    ("users and groups", r"/etc/shadow: backup: field 1: '!\*' by cloud-init, '!' by kindling", "locked either way"),
    ("ssh keys of users", r"/root/\.ssh/authorized_keys: file only by cloud-init", "keys with a command that refuses"),
    ("ssh keys of users", r"/authorized_keys: the same lines in another order", "cloud-init has no order"),
    ("host keys", r"/etc/ssh/ssh_host_\w+_key(\.pub)?: file only by cloud-init", "made by the system itself"),
    ("host keys", r"^ssh-host-keys /etc/ssh/ssh_host_ed25519_key\.pub: (600|the same lines)",
     "public keys can be read by anybody, and end with a line end"),
    ("passwords", r"/etc/shadow: \w+: field 1: '\$y\$' by cloud-init, '\$6\$' by kindling", "another kind of hash"),
    ("passwords", r"^chpasswd-users /etc/shadow: root: field 2: '0'", "passwords do not expire"),
    ("hostname", r"^hostname-preserved /etc/hostname: ", "the name of the platform is set before the config is read"),
    ("etc hosts", r"^hosts-\w+ /etc/hosts: line only by ", "the whole file, without the comments of the template"),
    ("write_files", r"^write-files-modes /opt/text: 755 0:0 by cloud-init, 4755 ", "set-user-id is lost with the owner"),
    ("commands", r" /etc/cloud-init-compat(/\S+)?: (file|directory) only by kindling", "scripts that units run"),
    ("commands", r" /etc/systemd/system/(\S+/)?cloud-init-(boothook|bootcmd|per-boot|per-once|runcmd)\.service: (file|link) only by kindling",
     "these units"),
    ("commands", r"^(archive|bootcmd|boothook|mime|mime-order|runcmd|script) /etc/systemd/system-preset", "they are enabled"),
    ("ca certs", r"^ca-certs /etc/systemd/system", "a unit that makes the bundle"),
    ("ca certs", r"^ca-certs .*cloud-init-(ca-certs|1)\.(crt|pem)", "a file for each certificate, in the place for own ones"),
    ("mounts", r"/etc/fstab: line .*nobootwait|/etc/fstab: line only by kindling: .*nofail", "nofail says the same to systemd"),
    ("keyboard", r"/etc/default/keyboard: file only by kindling", "Debian's cloud-init does not run its module"),
    ("locale", r"/etc/default/locale: line only by cloud-init: # +File generated by update-locale", "a comment"),
    ("ntp", r"/etc/systemd/timesyncd\.conf\.d/cloud-init\.conf: line only by (cloud-init: (#.*)?$|\S+: NTP=)",
     "comments, and a blank at the end of a line"),
    ("ntp", r"^ntp-chrony /etc/chrony/(chrony\.conf|sources\.d)", "a file beside chrony's own, which cloud-init replaces"),
    ("resolv_conf", r"/etc/systemd/resolved\.conf\.d", "Debian's cloud-init does not run its module"),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, default=REPOSITORY / "target/release/kindling")
    parser.add_argument("--root", type=pathlib.Path, required=True, help="a tar file of the Debian root")
    parser.add_argument("--keep", type=pathlib.Path, help="write the differences of each case here")
    parser.add_argument("--time", action="store_true")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    if INNER not in os.environ:
        again = ["unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--kill-child", sys.executable, *sys.argv]
        return subprocess.run(again, env={**os.environ, INNER: "1"}, check=False).returncode
    with tempfile.TemporaryDirectory(prefix="kindling-compare-") as directory:
        work = pathlib.Path(directory)
        run(["mount", "--make-rprivate", "/"])
        run(["mount", "-t", "tmpfs", "-o", "mode=755", "compare", work])
        try:
            return compare(work, arguments)
        finally:
            run(["umount", "--recursive", "--lazy", work])


def run(command, **options):
    ran = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, errors="replace", check=False, **options)
    if ran.returncode != 0:
        sys.exit(f"compare: {shlex.join(map(str, command))} ended with {ran.returncode}:\n{ran.stdout[-3000:]}")
    return ran.stdout


def debian(work, tar):
    """The root both copies are of."""
    base = work / "base"
    base.mkdir()
    run(["tar", "--extract", "--numeric-owner", "--xattrs", "--file", tar, "--directory", base, "--exclude=./dev/*"])
    # As in an image: keys of the host are made at the first boot.
    for key in (base / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    settings = base / "etc/cloud/cloud.cfg.d/99-compare.cfg"
    settings.write_text("datasource_list: [NoCloud]\nnetwork: {config: disabled}\n")
    return base


class Copy:
    """A root that shares with the base what it does not change."""

    def __init__(self, work, base):
        self.base = base
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=work, prefix="copy-"))
        self.upper, self.root = self.folder / "upper", self.folder / "root"
        for path in (self.upper, self.root, self.folder / "work"):
            path.mkdir()
        layers = f"lowerdir={base},upperdir={self.upper},workdir={self.folder / 'work'}"
        run(["mount", "-t", "overlay", "-o", layers, "copy", self.root])

    def inhabit(self):
        """Mounts what programs in the root need, and no device of the machine."""
        run(["mount", "-t", "proc", "proc", self.root / "proc"])
        run(["mount", "-t", "sysfs", "-o", "ro", "sysfs", self.root / "sys"])
        for name in ("dev", "run", "tmp"):
            run(["mount", "-t", "tmpfs", "-o", "mode=1777" if name == "tmp" else "mode=755", name, self.root / name])
        for name, minor in (("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)):
            os.mknod(self.root / "dev" / name, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
            os.chmod(self.root / "dev" / name, 0o666)

    def chroot(self, command):
        """Runs a command in the root; what comes of it is in the tree."""
        return subprocess.run(["chroot", str(self.root), *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", check=False, timeout=300,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root"})

    def leave(self):
        run(["umount", "--recursive", "--lazy", self.root])

    def remove(self):
        shutil.rmtree(self.folder)


def by_cloud_init(copy, text):
    """Seconds that its stages take."""
    seed = copy.root / "var/lib/cloud/seed/nocloud"
    seed.mkdir(parents=True)
    (seed / "user-data").write_bytes(text)
    (seed / "meta-data").write_text(META_DATA)
    copy.inhabit()
    start = time.perf_counter()
    said = [copy.chroot(["cloud-init", *stage]).stdout for stage in STAGES]
    return time.perf_counter() - start, "".join(said)


def by_kindling(copy, text, binary):
    """Seconds that it takes; what its units run comes after, without being counted: cloud-init counts its own."""
    user_data, meta_data = copy.folder / "user-data", copy.folder / "meta-data"
    user_data.write_bytes(text)
    meta_data.write_text(META_DATA)
    command = [binary, "apply", "--offline", "--from", "cloud-init", "--metadata", meta_data, "--root", copy.root, user_data]
    start = time.perf_counter()
    said = run(command)
    seconds = time.perf_counter() - start
    copy.inhabit()
    units = copy.upper / "etc/systemd/system"
    for name in ("boothook", "bootcmd", "ca-certs", "per-once", "per-boot", "runcmd"):
        unit = units / f"cloud-init-{name}.service"
        if unit.is_file():
            said += commands(copy, unit.read_text())
    return seconds, said


def commands(copy, unit):
    """Runs the commands of a unit as systemd would."""
    said = ""
    for key, value in re.findall(r"^(ExecStart|ExecStartPost|StateDirectory)=(.*)$", unit, re.MULTILINE):
        if key == "StateDirectory":
            (copy.root / "var/lib" / value).mkdir(parents=True, exist_ok=True)
        else:
            said += copy.chroot(shlex.split(value.lstrip("-"))).stdout
    return said


def node(path):
    """What is at a path: its kind, mode, owner, and contents."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
        return None
    place = f"{stat.S_IMODE(status.st_mode):o} {status.st_uid}:{status.st_gid}"
    if stat.S_ISDIR(status.st_mode):
        return ("directory", place, b"")
    if stat.S_ISLNK(status.st_mode):
        return ("link", "", os.readlink(path).encode())
    return ("file", place, path.read_bytes() if stat.S_ISREG(status.st_mode) else b"")


def changed(copy):
    """Paths that a copy has changed, from its root."""
    for folder, folders, files in os.walk(copy.upper):
        for name in folders + files:
            path = "/" + str((pathlib.Path(folder) / name).relative_to(copy.upper))
            if not OWN.search(path):
                yield path


def at(copy, path):
    """What a copy has at a path: its own, or that of the base."""
    own = copy.upper / path[1:]
    if own.is_symlink() or own.exists():
        return node(own)
    return node(copy.base / path[1:])


def differences(theirs, ours):
    """Lines, each of which says how the two copies differ in one thing."""
    for path in sorted(set(changed(theirs)) | set(changed(ours))):
        a, b = at(theirs, path), at(ours, path)
        if a == b:
            continue
        if a is None or b is None:
            there = a or b
            kind = "empty file" if there[0] == "file" and not there[2] else there[0]
            yield f"{path}: {kind} only by {'cloud-init' if a else 'kindling'}"
        elif path in DATABASES:
            yield from records(path, a[2].decode(), b[2].decode())
        elif a[0] != b[0]:
            yield f"{path}: {a[0]} by cloud-init, {b[0]} by kindling"
        else:
            if a[1] != b[1]:
                yield f"{path}: {a[1]} by cloud-init, {b[1]} by kindling"
            yield from lines(path, a[2], b[2])


def lines(path, a, b):
    """Lines of a file that are not in both; their order, if that is all."""
    if a == b:
        return
    a, b = a.decode(errors="replace"), b.decode(errors="replace")
    only_a = [line for line in a.splitlines() if line not in b.splitlines()]
    only_b = [line for line in b.splitlines() if line not in a.splitlines()]
    yield from (f"{path}: line only by cloud-init: {line}" for line in only_a)
    yield from (f"{path}: line only by kindling: {line}" for line in only_b)
    if not only_a and not only_b:
        yield f"{path}: the same lines in another order or number"


def records(path, a, b):
    """Differences of account databases, by name and field. Of hashes only their kind counts: salts are fresh."""
    table = lambda text: {line.split(":")[0]: line.split(":") for line in text.splitlines() if line}
    a, b = table(a), table(b)
    for name in sorted(a.keys() | b.keys()):
        if name not in a or name not in b:
            yield f"{path}: {name} only by {'cloud-init' if name in a else 'kindling'}"
            continue
        for number, (x, y) in enumerate(zip(a[name], b[name])):
            if path == "/etc/shadow" and number == 1:
                x, y = shape(x), shape(y)
            if path in ("/etc/group", "/etc/gshadow") and number == 3:
                x, y = ",".join(sorted(x.split(","))), ",".join(sorted(y.split(",")))
            if x != y:
                yield f"{path}: {name}: field {number}: {x!r} by cloud-init, {y!r} by kindling"


def shape(password):
    """A password without its salt: whether it is locked, and the kind of its hash."""
    locked = "!" if password.startswith("!") else ""
    rest = password.lstrip("!")
    if "saltsalt" in rest:
        return locked + rest
    return locked + (f"${rest.split('$')[1]}$" if rest.startswith("$") else rest)


def explanation(name, difference):
    """The row that a difference is explained by."""
    rows = (row for row in EXPLAINED if re.search(row[1], f"{name} {difference}"))
    return next(rows, None)


def modules():
    """Modules of the table that do not do exactly what cloud-init does."""
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| (\w[\w ]*) \| ", TABLE.read_text(), re.MULTILINE)
    return {name for name, support in rows if support not in ("done",)}


def compare(work, arguments):
    known = modules()
    stale = sorted({module for module, _, _ in EXPLAINED} - known)
    if stale:
        sys.exit(f"compare: not in {TABLE}, or done there without a difference: {', '.join(stale)}")
    cases = sorted(path for path in HERE.iterdir() if path.suffix in (".yaml", ".txt"))
    if arguments.names:
        cases = [path for path in cases if path.stem in arguments.names]
    base = debian(work, arguments.root)
    failed, used, took = [], set(), [0.0, 0.0]
    for case in cases:
        theirs, ours = Copy(work, base), Copy(work, base)
        seconds_theirs, said_theirs = by_cloud_init(theirs, case.read_bytes())
        seconds, said = by_kindling(ours, case.read_bytes(), arguments.binary)
        theirs.leave()
        ours.leave()
        took[0] += seconds_theirs
        took[1] += seconds
        found = [(explanation(case.stem, one), one) for one in differences(theirs, ours)]
        used |= {row for row, _ in found if row}
        unexplained = [one for row, one in found if row is None]
        if arguments.keep:
            report = [f"{row[0] if row else 'UNEXPLAINED'}\t{one}" for row, one in found]
            (arguments.keep / f"{case.stem}.diff").write_text("\n".join(report) + "\n")
            (arguments.keep / f"{case.stem}.log").write_text(f"{said_theirs}\n--- kindling\n{said}")
        print(f"{case.stem:<28} cloud-init {seconds_theirs:6.2f} s  kindling {seconds:6.3f} s  "
              f"{len(found) - len(unexplained)} explained, {len(unexplained)} not", flush=True)
        for one in unexplained:
            print(f"    {one}")
        failed += [case.stem] if unexplained else []
        theirs.remove()
        ours.remove()
    unused = [] if arguments.names else [row for row in EXPLAINED if row not in used]
    for module, pattern, _ in unused:
        print(f"explains nothing any more: {module}: {pattern}")
    ratio = took[1] / took[0]
    print(f"{len(cases)} cases, {len(failed)} with differences that nothing explains; "
          f"explained by: {', '.join(sorted({row[0] for row in used}))}")
    print(f"time: cloud-init {took[0]:.2f} s, kindling {took[1]:.2f} s, ratio {ratio:.4f}, target <= {TIME}")
    return 1 if failed or unused or (arguments.time and ratio > TIME) else 0


if __name__ == "__main__":
    sys.exit(main())
