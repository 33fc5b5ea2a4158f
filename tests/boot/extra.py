"""Additional files for the initramfs of the tests, and for the root of the peer."""

import build

def initramfs(peer):
    """A folder to copy into the initramfs."""
    return build.cached(f"extra-{'peer' if peer else 'own'}-{build.digest(BUSY_UNIT, KILL_UNIT, MANAGER_CONF)}", lambda p: make_extra(p, peer))


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


# Long enough for an existing device even on a busy host; a boot that waits for a missing one fails a minute earlier.
MANAGER_CONF = "[Manager]\nDefaultDeviceTimeoutSec=20\n"


def make_extra(path, peer):
    """Creates the files of that folder."""
    units = path / "usr/lib/systemd/system"
    (units / "initrd.target.wants").mkdir(parents=True)
    manager = path / "etc/systemd/system.conf.d"
    manager.mkdir(parents=True)
    (manager / "timeout.conf").write_text(MANAGER_CONF)
    for name, text in (("test-busy.service", BUSY_UNIT), ("test-kill.service", KILL_UNIT)):
        (units / name).write_text(text)
        (units / "initrd.target.wants" / name).symlink_to(f"../{name}")
    if peer:
        # The peer labels files on every distribution; this one has no labels.
        setfiles = path / "usr/sbin/setfiles"
        setfiles.parent.mkdir(parents=True)
        setfiles.write_text("#!/bin/sh\ncat >/dev/null\nexit 0\n")
        setfiles.chmod(0o755)


def root():
    """Additional files for the root of the peer, which assumes that every distribution has SELinux."""
    def make(path):
        (path / "etc/selinux").mkdir(parents=True)
        (path / "etc/selinux/config").write_text("SELINUX=disabled\nSELINUXTYPE=none\n")

    return build.cached("root-extra", make)
