"""A machine in QEMU, controlled through its serial console and monitor."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

# Escape sequences (colours, cursor moves) are for terminals, not for assertions.
ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[()][A-Z0-9]|[=>78Mc])")


# The emulator of each architecture of Debian, and how many serial ports its machine has.
EMULATORS = {"amd64": (["qemu-system-x86_64"], 2),
             "arm64": (["qemu-system-aarch64", "-machine", "virt", "-cpu", "cortex-a57"], 1)}


class Machine:
    """A started machine. `program` are the options for what it boots. `network` is true, or additional options for the
    network. `drives` are CD-ROM drives: a bus ("ide" or "scsi"), and the disc in it or none. `arch` is one of
    EMULATORS. `lines` is its console output so far; waiting for it never exceeds the machine's time limit."""

    def __init__(self, work, program, disks, fw_cfg=(), network=False, screen=False, limit=300, memory=1536,
                 cache="unsafe", share=None, drives=(), arch="amd64"):
        self.report_path = work / "report"
        self.qmp_path = work / "qmp"
        self.log_path = work / "console"
        for path in (self.report_path, self.qmp_path):
            path.unlink(missing_ok=True)
        emulator, ports = EMULATORS[arch]
        command = [
            # Ends the machine even if the test is killed.
            "timeout", "--kill-after=5", str(limit + 30),
            *emulator, "-accel", "tcg,thread=multi", "-smp", "2", "-m", str(memory),
            # No default devices: each additional device costs udev time, twice.
            "-nodefaults", "-vga", "std" if screen else "none", "-display", "none", "-no-reboot",
            *program,
            "-serial", "stdio", *(["-serial", f"file:{self.report_path}"] if ports > 1 else []),
            "-qmp", f"unix:{self.qmp_path},server=on,wait=off",
            "-device", "virtio-rng-pci",
        ]
        for number, (path, serial) in enumerate(disks):
            command += [
                # Data that the machine writes is in the host's memory immediately: killing QEMU is like a power cut
                # of a disk that has flushed its cache.
                "-drive", f"file={path},format=raw,if=none,id=disk{number},cache={cache},discard=unmap",
                "-device", f"virtio-blk-pci,drive=disk{number},serial={serial}"]
        for name, path in fw_cfg:
            command += ["-fw_cfg", f"name={name},file={path}"]
        if share:
            # The server of the folder and the machine share the machine's memory.
            tag, server = share
            command += ["-object", f"memory-backend-memfd,id=memory,size={memory}M,share=on",
                        "-machine", "memory-backend=memory", "-chardev", f"socket,id=share,path={server}",
                        "-device", f"vhost-user-fs-pci,chardev=share,tag={tag}"]
        if network:
            more = "" if network is True else f",{network}"
            command += ["-netdev", f"user,id=net0{more}", "-device", "virtio-net-pci,netdev=net0"]
        if any(bus == "scsi" for bus, _ in drives):
            command += ["-device", "virtio-scsi-pci"]
        for number, (bus, disc) in enumerate(drives):
            device = f"{bus}-cd,id=cd{number}"
            if disc:
                command += ["-drive", f"file={disc},format=raw,if=none,id=disc{number},read-only=on"]
                device += f",drive=disc{number}"
            command += ["-device", device]
        self.started = time.monotonic()
        self.deadline = self.started + limit
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True)
        self.text = ""
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        with open(self.log_path, "wb") as log:
            while True:
                data = os.read(self.process.stdout.fileno(), 65536)
                if not data:
                    break
                log.write(data)
                log.flush()
                with self.changed:
                    self.text += data.decode(errors="replace")
                    self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    @property
    def lines(self):
        """The lines on the console so far."""
        return [re.sub(r".*\r(?!$)", "", line).rstrip()
                for line in self.plain().split("\n")]

    def seconds(self):
        return time.monotonic() - self.started

    def wait_for(self, what, pattern):
        """Waits until the console matches; raises an AssertionError if that does not happen."""
        expression = re.compile(pattern, re.MULTILINE)
        while True:
            with self.changed:
                found = expression.search(self.plain())
                if found:
                    return found
                left = self.deadline - time.monotonic()
                if left <= 0 or self.process.poll() is not None:
                    break
                self.changed.wait(min(left, 0.2))
        ended = self.process.poll()
        state = f"the machine ended with status {ended}" if ended is not None else "time is up"
        raise AssertionError(f"{what}: {state} after {self.seconds():.0f} s, and /{pattern}/ was not on the "
                             f"console; its end:\n{self.tail()}")

    def wait_end(self, what, unless):
        """Waits until the machine powers off. Fails early if the console matches `unless`."""
        expression = re.compile(unless, re.MULTILINE)
        while self.process.poll() is None:
            if expression.search(self.plain()):
                raise AssertionError(f"{what}: it got stuck after {self.seconds():.0f} s; the end of its console:\n"
                                     f"{self.tail()}")
            if time.monotonic() > self.deadline:
                raise AssertionError(f"{what}: the machine still runs after {self.seconds():.0f} s; the end of its "
                                     f"console:\n{self.tail()}")
            time.sleep(0.2)
        self.reader.join(5)

    def wait_report(self, what):
        """Waits until the machine has reported."""
        while "@@ end" not in self.report():
            if self.process.poll() is not None or time.monotonic() > self.deadline:
                raise AssertionError(f"{what}: no report after {self.seconds():.0f} s; the end of the console:\n"
                                     f"{self.tail()}")
            time.sleep(0.1)

    def plain(self):
        """The console so far as plain text."""
        return re.sub(r"\r+\n", "\n", ESCAPES.sub("", self.text))

    def type(self, text):
        """Types on the serial console."""
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def tail(self, count=40):
        return "\n".join("    | " + line for line in [line for line in self.lines if line][-count:])

    def quiet_for(self, seconds):
        """Waits until there has been no console output for a while."""
        size = -1
        while size != len(self.text) and time.monotonic() < self.deadline:
            size = len(self.text)
            time.sleep(seconds)

    def report(self):
        """The output on the second serial port."""
        return self.report_path.read_text(errors="replace") if self.report_path.exists() else ""

    def qmp(self, *commands):
        """Runs monitor commands."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(20)
            monitor.connect(str(self.qmp_path))
            stream = monitor.makefile("rw")
            stream.readline()
            for command in ({"execute": "qmp_capabilities"}, *commands):
                stream.write(json.dumps(command) + "\n")
                stream.flush()
                while "return" not in (answer := json.loads(stream.readline())):
                    if "error" in answer:
                        raise AssertionError(f"monitor: {command} was answered by {answer}")

    def insert(self, number, disc):
        """Inserts a disc into a CD-ROM drive."""
        self.qmp({"execute": "blockdev-change-medium",
                  "arguments": {"id": f"cd{number}", "filename": str(disc), "format": "raw"}})

    def plug(self, disk):
        """Hot-plugs a disk."""
        self.qmp({"execute": "blockdev-add",
                  "arguments": {"driver": "raw", "node-name": "late", "file": {"driver": "file", "filename": str(disk)}}},
                 {"execute": "device_add", "arguments": {"driver": "virtio-blk-pci", "drive": "late", "id": "late"}})

    def vga_text(self, work):
        """The text on the screen, from the memory of the graphics card."""
        path = work / "vga"
        path.unlink(missing_ok=True)
        self.qmp({"execute": "pmemsave", "arguments": {"val": 0xB8000, "size": 0x8000, "filename": str(path)}})
        cells = path.read_bytes()[0::2].decode("cp437")
        return [cells[i:i + 80].rstrip() for i in range(0, len(cells), 80)]

    def cut_power(self):
        """Kills the machine like a power cut; nothing is written after this returns."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.reader.join(5)

    def close(self):
        """Ends the machine if it is still running."""
        if self.process.poll() is None:
            self.cut_power()
