"""Tests of the scripts and the installed files, without a boot."""

import build
from lab import scenario


def in_namespace(what, script):
    """Runs a shell script in a mount namespace of its own; returns its output."""
    return build.run(what, ["unshare", "--mount", "--propagation", "private", "sh", "-euc", script])


# Kernel command line, the targets that must be required, /run/ignition.env.
COMPLETE = "ignition-complete.target ignition-diskful.target"
SUBSEQUENT = "ignition-diskful-subsequent.target ignition-subsequent.target"
GENERATED = [
    ("root=x", SUBSEQUENT, "PLATFORM_ID="),
    ("ignition.firstboot ignition.platform.id=qemu", COMPLETE, "PLATFORM_ID=qemu"),
    ("ignition.firstboot=1 quiet", COMPLETE, "PLATFORM_ID="),
    ("ignition.firstboot=0", SUBSEQUENT, "PLATFORM_ID="),
    ("ignition.firstboot=no", SUBSEQUENT, "PLATFORM_ID="),
    ("ignition.firstboot=off", SUBSEQUENT, "PLATFORM_ID="),
    ("ignition.firstboot=", SUBSEQUENT, "PLATFORM_ID="),
    ("ignition.firstboot=1 ignition.firstboot=0", SUBSEQUENT, "PLATFORM_ID="),
    ("ignition.firstboot=0 ignition.firstboot", COMPLETE, "PLATFORM_ID="),
    ("noignition.firstboot ignition.firstboots=1", SUBSEQUENT, "PLATFORM_ID="),
    ("ignition.platform.id=aws ignition.platform.id=gcp", SUBSEQUENT, "PLATFORM_ID=gcp"),
    ("flatcar.first_boot=detected flatcar.oem.id=ec2", COMPLETE, "PLATFORM_ID=aws OEM_ID=ec2"),
    ("flatcar.first_boot=0 flatcar.oem.id=gce", SUBSEQUENT, "PLATFORM_ID=gcp OEM_ID=gce"),
    ("coreos.first_boot=1 coreos.oem.id=pxe", COMPLETE, "PLATFORM_ID=metal OEM_ID=pxe"),
    ("coreos.first_boot coreos.oem.id=pxe flatcar.oem.id=vmware", COMPLETE, "PLATFORM_ID=vmware OEM_ID=vmware"),
    ("flatcar.first_boot ignition.platform.id=qemu flatcar.oem.id=ec2", COMPLETE, "PLATFORM_ID=qemu"),
    ("ignition.firstboot * ignition.platform.id=metal", COMPLETE, "PLATFORM_ID=metal"),
]


@scenario
def generator(lab):
    """no boot: units and environment that the generator creates for kernel command lines"""
    script = lab.tree / "usr/lib/dracut/modules.d/30kindling/kindling-generator.sh"
    wrong = []
    for cmdline, targets, env in GENERATED:
        (lab.work / "cmdline").write_text(cmdline + "\n")
        found = in_namespace(f"generator with {cmdline!r}", f"""
            mount --bind {lab.work}/cmdline /proc/cmdline
            mount --bind /dev/null /dev/kmsg
            mount -t tmpfs none /run
            {script} /run/units
            find /run/units -type l -printf '%f\\n' | sort
            echo --
            cat /run/ignition.env""").split()
        wanted = [*targets.split(), "--", *env.split()]
        if found != wanted:
            wrong.append(f"{cmdline!r}: expected {wanted}, found {found}")
    assert not wrong, "\n    ".join(wrong)


@scenario
def flag_files(lab):
    """no boot: the end of a first boot removes every known flag, even on a read-only file system"""
    script = lab.tree / "usr/libexec/kindling-firstboot-complete"
    found = in_namespace("the end of a first boot", f"""
        mount -t tmpfs none /run
        mount -t tmpfs none /var/log
        mount -t tmpfs none /boot
        mkdir -p /run/kindling /boot/flatcar /boot/coreos
        echo report >/run/kindling/report.json
        touch /boot/ignition.firstboot /boot/flatcar/first_boot /boot/coreos/first_boot /boot/kept
        mount -o remount,ro /boot
        umask 000
        {script} >/dev/null
        find /boot -type f
        stat -c '%a %n' /var/log/kindling/first-boot.json
        touch /boot/x 2>/dev/null || echo still read-only""")
    wanted = "/boot/kept\n600 /var/log/kindling/first-boot.json\nstill read-only\n"
    assert found == wanted, f"expected {wanted!r}, found {found!r}"


@scenario
def layouts(lab):
    """no boot: the files of both ways of installing"""
    top = lab.work / "as-ignition"
    build.run("make install-as-ignition", [
        "make", "-C", str(build.REPO), "--assume-old=release", "install-as-ignition", f"DESTDIR={top}", "PREFIX=/usr",
        f"BINARY={lab.binary}"])
    found = sorted(str(path.relative_to(top)) for path in top.rglob("*") if not path.is_dir())
    assert found == ["usr/bin/ignition-validate", "usr/lib/dracut/modules.d/30ignition/ignition",
                     "usr/libexec/ignition-apply", "usr/libexec/ignition-rmcfg"], f"as Ignition: {found}"
    for tree, names in ((top, ["usr/lib/dracut/modules.d/30ignition/ignition", "usr/bin/ignition-validate",
                               "usr/libexec/ignition-apply", "usr/libexec/ignition-rmcfg"]),
                        (lab.tree, ["usr/bin/ignition-validate", "usr/libexec/ignition-apply",
                                    "usr/libexec/ignition-rmcfg"])):
        for name in names:
            output = build.run(name, [str(tree / name), "--version"])
            assert output.startswith("Ignition "), f"{name} --version printed {output!r}"
