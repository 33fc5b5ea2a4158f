#!/usr/bin/env python3
"""Writes the seeds for fuzzing: partition tables by sgdisk, superblocks by mkfs, and hand-made ones.

    fuzz/seeds.py corpus/gpt corpus/probe
"""

import pathlib
import struct
import subprocess
import sys
import tempfile

MIB = 1 << 20
# Fewer zeros than this between two runs of bytes take less space than a new patch.
GAP = 12


def runs(bytes_, at):
    """The runs of bytes that are not zero, with their offsets."""
    found, start, last = [], None, None
    for index, byte in enumerate(bytes_):
        if not byte:
            continue
        if start is not None and index - last > GAP:
            found.append((at + start, bytes_[start:last + 1]))
            start = None
        if start is None:
            start = index
        last = index
    if start is not None:
        found.append((at + start, bytes_[start:last + 1]))
    return found


def encoded(size, patches, flags=0, extra=0, sector=512):
    """An input in the format of `harness/disk.rs`."""
    out = struct.pack("<BII", flags | (sector == 4096), size // sector, extra)
    for at, bytes_ in patches:
        from_end = at >= 1 << 32
        offset = size - at if from_end else at
        out += struct.pack("<BIH", from_end, offset, len(bytes_)) + bytes_
    return out


def of_image(path, ranges, **more):
    """An input with some ranges of an image; negative starts count from its end."""
    size = path.stat().st_size
    patches = []
    with open(path, "rb") as file:
        for start, length in ranges:
            start = start if start >= 0 else size + start
            file.seek(start)
            patches += runs(file.read(length), start)
    return encoded(size, patches, **more)


def blank(directory, mib):
    path = pathlib.Path(directory) / "image"
    path.unlink(missing_ok=True)
    with open(path, "wb") as file:
        file.truncate(mib * MIB)
    return path


def run(*command):
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def tables(work):
    """Partition tables by name."""
    edges = [(0, 34 * 512), (-33 * 512, 33 * 512)]
    requests = {
        "empty": ["--clear"],
        "one": ["--new=1:0:0", "--change-name=1:root"],
        "three": ["--new=1:2048:+1M", "--new=3:8192:+1M", "--new=128:0:+1M", "--change-name=3:grün",
                  "--attributes=1:set:2"],
        "unaligned": ["--set-alignment=1", "--new=1:34:+7", "--new=2:63:+100"],
        "small-array": ["--resize-table=8", "--new=1:0:0"],
        "moved-array": ["--move-main-table=64", "--new=1:0:+1M"]}
    for name, options in requests.items():
        path = blank(work, 64)
        run("sgdisk", *options, path)
        more = [(0, 128 * 512)] if name == "moved-array" else []
        yield name, of_image(path, more + edges, flags=6, extra=4096)
    path = blank(work, 16)
    run("sgdisk", "--new=1:0:+1M", path)
    with open(path, "r+b") as file:
        file.truncate(32 * MIB)
    yield "grown", of_image(path, [(0, 34 * 512), (16 * MIB - 33 * 512, 33 * 512)], flags=2)
    yield "told-another-size", of_image(path, [(0, 34 * 512), (16 * MIB - 33 * 512, 33 * 512)], flags=10, extra=98304)
    with open(path, "r+b") as file:
        file.write(bytes(1024))
        file.seek(512 - 66)
        file.write(bytes.fromhex("00000200eeffffff01000000ffff0000"))
        file.seek(510)
        file.write(b"\x55\xaa")
        file.truncate(16 * MIB)
    yield "backup-only", of_image(path, [(0, 34 * 512), (-33 * 512, 33 * 512)])
    for label in ("dos", "sun", "sgi"):
        path = blank(work, 16)
        subprocess.run(["sfdisk", "-q", path], input=f"label:{label}\n,1M\n", text=True, check=True)
        yield label, of_image(path, [(0, 512)])
    yield "sectors-of-4096", large_sectors()


def large_sectors():
    """A table with sectors of 4096 bytes, made by hand because sgdisk assumes 512 for files. The harness fixes the
    checksums."""
    size, sector = 64 * MIB, 4096
    last = size // sector - 1
    guid = bytes(range(16))
    entry = struct.pack("<16s16sQQQ72s", guid, guid, 256, 511, 0, "data".encode("utf-16-le"))

    def header(own, other, array):
        return struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, own, other, 6, last - 5, guid, array,
                           128, 128, 0)

    mbr = bytes.fromhex("00000200eeffffff01000000ff3f0000")
    patches = [(446, mbr), (510, b"\x55\xaa"), (sector, header(1, last, 2)), (2 * sector, entry),
               ((last - 4) * sector, entry), (last * sector, header(last, 1, last - 4))]
    return encoded(size, patches, flags=6, sector=sector)


def made_by_tools(work):
    """Superblocks by name."""
    start, super_ = (0, 1024), (1024, 1024)
    tools = {
        "ext4": (16, ["mkfs.ext4", "-q", "-L", "data"], [super_]),
        "ext2": (16, ["mkfs.ext2", "-q"], [super_]),
        "xfs": (320, ["mkfs.xfs", "-q", "-L", "data"], [(0, 512)]),
        "btrfs": (128, ["mkfs.btrfs", "-q", "-L", "data"], [(65536, 512)]),
        "fat12": (4, ["mkfs.fat", "-n", "DATA"], [start, (2048, 512), (4096, 4096)]),
        "fat16": (32, ["mkfs.fat", "-F", "16", "-n", "DATA"], [start, (2048, 64), (34816, 4096)]),
        "fat32": (64, ["mkfs.fat", "-F", "32", "-n", "DATA"], [start, (16384, 64), (0, 2 * MIB)]),
        "swap": (4, ["mkswap", "-q", "-L", "swap"], [(1024, 64), (4086, 10)]),
        "luks2": (32, ["cryptsetup", "luksFormat", "-q", "--type", "luks2", "--pbkdf", "pbkdf2",
                       "--pbkdf-force-iterations", "1000", "--key-file", "/dev/zero", "--keyfile-size", "8", "--label",
                       "secret"], [(0, 512)]),
        "luks1": (32, ["cryptsetup", "luksFormat", "-q", "--type", "luks1", "--pbkdf-force-iterations", "1000",
                       "--key-file", "/dev/zero", "--keyfile-size", "8"], [(0, 592)])}
    for name, (mib, command, ranges) in tools.items():
        path = blank(work, mib)
        run(*command, path)
        yield name, of_image(path, ranges)
    path = blank(work, 16)
    run("mkfs.ext4", "-q", "-L", "inner", "-E", f"offset={4 * MIB}", path, "8M")
    yield "ext4-behind", of_image(path, [(4 * MIB, 2048)], extra=4 * MIB // 512)


def made_by_hand():
    """Magic numbers, and the other fields that the probes read."""
    uuid, name = bytes(range(1, 17)), b"data"

    def raid(offset):
        body = struct.pack("<III4x16s32sQ", 0xA92B4EFC, 1, 0, uuid, b"host:data", 1) + struct.pack("<II", 1, 0)
        body = body.ljust(128, b"\0") + struct.pack("<QQQ", 2048, 8192, offset // 512)
        return body.ljust(256, b"\0")

    size = 16 * MIB
    at_1_0 = (size // 512 - 16 & ~7) * 512
    for version, at in (("1.0", at_1_0), ("1.1", 0), ("1.2", 4096)):
        yield f"raid-{version}", [(at, raid(at))]
    old = struct.pack("<IIIIII", 0xA92B4EFC, 0, 90, 0, 0, 1).ljust(64, b"\0")
    yield "raid-0.90", [(size - 65536, old)]
    label = struct.pack("<8sQII8s32s", b"LABELONE", 1, 0, 32, b"LVM2 001", b"A1b2" * 8)
    yield "lvm2", [(512, label)]
    yield "bcache", [(4096 + 24, bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81") + uuid)]
    yield "zfs", [(131072 + n * 1024, struct.pack("<Q", 0xBAB10C)) for n in range(4)]
    yield "f2fs", [(1024, struct.pack("<I", 0xF2F52010)), (1024 + 108, uuid + "daten".encode("utf-16-le"))]
    yield "erofs", [(1024, struct.pack("<I", 0xE0F5E1E2)), (1024 + 48, uuid + name)]
    yield "squashfs", [(0, b"hsqs"), (28, b"\x04")]
    yield "ntfs", [(0, b"\xeb\x52\x90NTFS    "), (72, uuid[:8]), (510, b"\x55\xaa")]
    exfat = struct.pack("<3s8s", b"\xeb\x76\x90", b"EXFAT   ")
    yield "exfat", [(0, exfat), (88, struct.pack("<IIII", 128, 64, 5, 7)), (108, b"\x09\x03"), (510, b"\x55\xaa"),
                    ((128 + 5 * 8) * 512, b"\x83\x04" + "data".encode("utf-16-le"))]
    yield "iso9660", [(32768, b"\x01CD001\x01"), (32768 + 40, b"DATA".ljust(32)), (32768 + 813, b"2026010203040506")]
    yield "suspended", [(4086, b"S1SUSPEND")]
    yield "two-at-once", [(0, b"hsqs"), (1024, struct.pack("<I", 0xE0F5E1E2))]


def main():
    gpt, probe = (pathlib.Path(argument) for argument in sys.argv[1:])
    with tempfile.TemporaryDirectory() as work:
        for folder, seeds in ((gpt, tables(work)), (probe, made_by_tools(work))):
            folder.mkdir(parents=True, exist_ok=True)
            for name, bytes_ in seeds:
                (folder / f"seed-{name}").write_bytes(bytes_)
    for name, patches in made_by_hand():
        (probe / f"seed-{name}").write_bytes(encoded(16 * MIB, patches))


if __name__ == "__main__":
    main()
