"""The configs of the boots, and what a machine provisioned by them must look like."""

import base64
import gzip
import json
import urllib.parse

VERSION = "3.3.0"

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtpbmRsaW5nLXRlc3Qta2V5LW5vdC1yZWFsLTAwMDAw test"
DATA_DISK = "/dev/disk/by-id/virtio-data"


def data(text):
    """A data URL of a text."""
    return "data:," + urllib.parse.quote(text)


def data_gz(text):
    """A data URL of a text, compressed."""
    packed = gzip.compress(text.encode(), mtime=0)
    return "data:;base64," + base64.b64encode(packed).decode()


def file(path, text=None, mode=0o644, **more):
    """A file entry; unset fields have their defaults."""
    entry = {"path": path, "mode": mode, **more}
    if text is not None:
        entry["contents"] = {"source": data(text)}
    return entry


def config(**sections):
    """A config document."""
    return {"ignition": {"version": VERSION}, **sections}


def text(document):
    """A config as people write it: one key per line, so that line numbers in messages are meaningful."""
    return json.dumps(document, indent=2) + "\n"


# (name, command, expected output). The script that runs in the machine is generated from this table, and its answers
# are checked against it. A repeated boot must give the same answers.
CHECKS = [
    ("text of a file", "cat /etc/motd", "provisioned\n"),
    ("mode and owner of a file", "stat -c '%a %U:%G' /etc/motd", "644 root:root\n"),
    ("host name", "uname -n", "first\n"),
    ("compressed file", "cat /srv/shared/unpacked", "unpacked " * 200 + "\n"),
    ("owner by name", "stat -c '%a %U:%G' /srv/shared/unpacked", "640 core:ops\n"),
    ("appended text", "tail -n 2 /etc/profile.d/site.sh", "A=1\nB=2\n"),
    ("directory", "stat -c '%a %U:%G %F' /srv/shared", "770 root:ops directory\n"),
    ("link", "readlink /etc/localtime", "/usr/share/zoneinfo/Etc/UTC\n"),
    ("hard link", "stat -c %h /srv/shared/unpacked", "2\n"),
    ("user", "getent passwd core | cut -d: -f1,6,7", "core:/home/core:/bin/bash\n"),
    ("password hash", "getent shadow core | cut -d: -f2", "$y$j9T$notarealhash$\n"),
    ("groups of the user", "id -nG core | tr ' ' '\\n' | sort | tr '\\n' ' '", "core ops sudo "),
    ("group with its number", "getent group ops | cut -d: -f1,3", "ops:1500\n"),
    ("home", "stat -c '%a %U:%G' /home/core/.ssh", "700 core:core\n"),
    ("key of the user", "cat /home/core/.ssh/authorized_keys.d/ignition", KEY + "\n"),
    ("partition label", "lsblk -no PARTLABEL /dev/disk/by-partlabel/data", "data\n"),
    ("partition size", "blockdev --getsize64 /dev/disk/by-partlabel/data", f"{128 << 20}\n"),
    ("partitions of the data disk", "lsblk -lnpo TYPE /dev/disk/by-id/virtio-data | sort | uniq -c | tr -s ' '",
     " 1 disk\n 2 part\n"),
    ("file system", "lsblk -no FSTYPE,LABEL /dev/disk/by-partlabel/data | tr -s ' '", "ext4 DATA\n"),
    ("mounted by the unit", "findmnt -no SOURCE,FSTYPE /var/lib/data | sed 's/.*vd.1 */part1 /'", "part1 ext4\n"),
    ("file on the new file system", "cat /var/lib/data/deep/er/file", "on the data disk\n"),
    ("owner on the new file system", "stat -c '%a %U:%G' /var/lib/data/deep/er/file", "600 core:core\n"),
    ("enabled unit", "systemctl is-enabled demo.service", "enabled\n"),
    ("unit with drop-in ran", "cat /run/demo", "dropped in\n"),
    ("masked unit", "readlink /etc/systemd/system/nothing.service", "/dev/null\n"),
    ("mount unit", "systemctl is-active var-lib-data.mount", "active\n"),
    ("failed units", "systemctl --failed --no-legend --plain", ""),
    ("result file", "stat -c '%a %U:%G' /etc/.ignition-result.json", "600 root:root\n"),
    ("a config was given", "grep -c '\"userConfigProvided\": true' /etc/.ignition-result.json", "1\n"),
    ("nothing half-written", "find /etc /srv /usr/local /home /var/lib/data -newer /etc/os-release -name '*.tmp*'", ""),
    ("flag cleared", "ls /boot/ignition.firstboot 2>&1 | grep -c 'No such file'", "1\n"),
]
# Only kindling writes a report.
REPORT_CHECKS = [
    ("report of the first boot", "stat -c '%a %U:%G' /var/log/kindling/first-boot.json", "600 root:root\n"),
    ("report speaks of the last stage", "grep -c '\"files\"' /var/log/kindling/first-boot.json | sed 's/[1-9].*/yes/'",
     "yes\n"),
]


# Runs that script after everything else has started.
REPORT_UNIT = ("[Unit]\nAfter=multi-user.target\n"
               "[Service]\nType=oneshot\nExecStart=/usr/local/bin/boot-report\n"
               "[Install]\nWantedBy=multi-user.target\n")


def report_script(checks, power_off=True):
    """A script that writes the answer to every check to the second serial port, and powers the machine off."""
    out = ["#!/bin/bash", "exec >/dev/ttyS1 2>&1 </dev/null", "stty -F /dev/ttyS1 raw"]
    for number, (_, command, _) in enumerate(checks):
        out.append(f"echo '@@ {number}'; {{ {command}; }} | base64 -w0; echo")
    out.append("echo '@@ end'")
    if power_off:
        # Unmounts, but does not stop units one by one, which takes seconds in an emulated machine.
        out.append("systemctl --force poweroff")
    return "\n".join(out) + "\n"


def read_report(report, checks):
    """The answers by name, from the output on the serial port."""
    answers = {}
    number = None
    for line in report.splitlines():
        if line.startswith("@@ end"):
            return answers
        if line.startswith("@@ "):
            number = int(line[3:])
            continue
        if number is not None:
            answers[checks[number][0]] = base64.b64decode(line).decode(errors="replace")
            number = None
    last = checks[max(0, len(answers) - 1)][0]
    raise AssertionError(f"the report of the machine breaks off after {len(answers)} of {len(checks)} answers; "
                         f"the last was of: {last}")


def check_answers(answers, checks):
    """Compares answers with the expected ones; reports every difference, not only the first."""
    wrong = [f"{name}: `{command}`\n      expected {expected!r}\n      found    {answers.get(name)!r}"
             for name, command, expected in checks if answers.get(name) != expected]
    if wrong:
        raise AssertionError(f"{len(wrong)} of {len(checks)} things differ:\n    " + "\n    ".join(wrong))


def full(checks, power_off=True):
    """One config with everything in it."""
    return config(
        passwd={
            "groups": [{"name": "ops", "gid": 1500}],
            "users": [{"name": "core", "groups": ["ops", "sudo"], "shell": "/bin/bash",
                       "passwordHash": "$y$j9T$notarealhash$", "sshAuthorizedKeys": [KEY]}]},
        storage={
            "disks": [{"device": DATA_DISK, "wipeTable": True, "partitions": [
                {"number": 1, "label": "data", "sizeMiB": 128, "startMiB": 1},
                {"number": 2, "label": "spare"}]}],
            "filesystems": [
                {"device": "/dev/disk/by-partlabel/data", "format": "ext4", "label": "DATA",
                 "wipeFilesystem": True, "path": "/var/lib/data"},
                {"device": "/dev/disk/by-partlabel/spare", "format": "ext4", "wipeFilesystem": True}],
            "directories": [{"path": "/srv/shared", "mode": 0o770, "group": {"name": "ops"}}],
            "files": [
                file("/etc/motd", "provisioned\n", overwrite=True),
                file("/etc/hostname", "first\n", overwrite=True),
                {"path": "/srv/shared/unpacked", "mode": 0o640, "user": {"name": "core"}, "group": {"name": "ops"},
                 "contents": {"source": data_gz("unpacked " * 200 + "\n"), "compression": "gzip"}},
                {"path": "/etc/profile.d/site.sh", "mode": 0o644,
                 "append": [{"source": data("A=1\n")}, {"source": data("B=2\n")}]},
                file("/var/lib/data/deep/er/file", "on the data disk\n", 0o600,
                     user={"name": "core"}, group={"name": "core"}),
                file("/usr/local/bin/boot-report", report_script(checks, power_off), 0o755),
            ],
            "links": [
                {"path": "/etc/localtime", "target": "/usr/share/zoneinfo/Etc/UTC", "overwrite": True},
                {"path": "/srv/shared/same", "target": "/srv/shared/unpacked", "hard": True}]},
        systemd={"units": [
            {"name": "boot-report.service", "enabled": True, "contents": REPORT_UNIT},
            {"name": "var-lib-data.mount", "enabled": True, "contents":
                "[Unit]\nRequires=systemd-fsck@dev-disk-by\\x2dpartlabel-data.service\n"
                "After=systemd-fsck@dev-disk-by\\x2dpartlabel-data.service\n"
                "[Mount]\nWhat=/dev/disk/by-partlabel/data\nWhere=/var/lib/data\nType=ext4\n"
                "[Install]\nRequiredBy=local-fs.target\n"},
            {"name": "demo.service", "enabled": True, "contents":
                "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo \"$WHAT\" >/run/demo'\n"
                "[Install]\nWantedBy=multi-user.target\n",
             "dropins": [{"name": "10-what.conf", "contents": "[Service]\nEnvironment=\"WHAT=dropped in\"\n"}]},
            {"name": "nothing.service", "mask": True}]})
