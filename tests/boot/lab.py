"""Building blocks of scenarios: a machine before its first boot, and servers for it."""

import http.server
import subprocess
import threading
import time

import build
import configs
from vm import Machine

SCENARIOS = {}

# The prompt at the end of a boot that failed.
PROMPT = r"^(Press Enter for maintenance|Give root password for maintenance)\n\(or press Control-D to continue\):"


def scenario(function):
    """Registers a function as a scenario, by its name with dashes. The first line of its docstring describes it."""
    SCENARIOS[function.__name__.replace("_", "-")] = function
    return function


def step(what):
    """Prints the current step; a failure belongs to the last one printed."""
    print(f"      {what}", flush=True)


class Lab:
    """Everything that a scenario needs."""

    def __init__(self, work, tree, initrd, binary, peer=False, overlay=None, args=""):
        self.work = work
        self.tree = tree
        self.initrd = initrd
        self.binary = binary
        self.peer = peer
        self.overlay = overlay
        self.args = args
        self.kernel = build.kernel()[1]
        self.machines = []
        self.checks = configs.CHECKS + ([] if peer else configs.REPORT_CHECKS)

    def system(self):
        """A new system disk before its first boot."""
        path = self.work / "system.img"
        build.copy_disk(build.system_disk(self.tree, self.overlay), path)
        return path

    def blank(self, name="data", mib=512):
        """An empty disk."""
        path = self.work / f"{name}.img"
        with open(path, "wb") as file:
            file.truncate(mib << 20)
        return path

    def write(self, name, document):
        """Writes a config to a file."""
        path = self.work / name
        path.write_text(document if isinstance(document, str) else configs.text(document))
        return path

    def words(self, args="", platform="qemu", quiet=True, console="console=ttyS0"):
        """The kernel command line, without what the boot loader adds on a first boot."""
        return " ".join(filter(None, [
            console, "root=LABEL=root", f"ignition.platform.id={platform}", "quiet" if quiet else "",
            # QEMU caches translated code by address: with randomization, every process would be translated again.
            "norandmaps", "net.ifnames=0", args, self.args]))

    def start(self, system, *disks, args="", platform="qemu", document=None, quiet=True, limit=600,
              console="console=ttyS0", initrd=None, grub=None, **options):
        """Starts a machine like a boot loader: with the first-boot argument if and only if the flag exists. With `grub`,
        a boot medium, the boot loader is GRUB."""
        if grub:
            program = ["-cdrom", str(grub), "-boot", "d"]
        else:
            first = " ignition.firstboot" if self.flag(system) else ""
            program = ["-kernel", str(self.kernel), "-initrd", str(initrd or self.initrd),
                       "-append", self.words(args, platform, quiet, console) + first]
        fw_cfg = []
        if document is not None:
            fw_cfg.append(("opt/com.coreos/config", self.write("config.ign", document)))
        machine = Machine(self.work, program, [(system, "system"), *((path, path.stem) for path in disks)],
                          fw_cfg=fw_cfg, limit=limit, **options)
        self.machines.append(machine)
        return machine

    def close(self):
        """Ends machines that are still running."""
        for machine in self.machines:
            machine.close()

    def verify(self, machine, checks=None):
        """Waits until the machine powers off, and checks its report."""
        checks = checks or self.checks
        machine.wait_end("the provisioned machine reports and switches itself off", unless=PROMPT)
        step(f"booted, reported and switched off after {machine.seconds():.1f} s")
        report = machine.report()
        assert "@@ end" in report, (
            f"the service that the config installed did not report; the end of the console:\n{machine.tail()}")
        answers = configs.read_report(report, checks)
        configs.check_answers(answers, checks)
        return answers

    def flag(self, system):
        """Whether the disk has the first-boot flag."""
        return build.exists_on(system, build.BOOT, "/ignition.firstboot")


class Server:
    """Serves texts by HTTP to the machine, for which the host is 10.0.2.2."""

    def __init__(self, bodies):
        self.requested = []
        # A path for which there is no response, and the event of its first request.
        self.stall = None
        self.stalled = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802 (the base class requires this name)
                outer.requested.append(self.path)
                if self.path == outer.stall:
                    outer.stalled.set()
                    time.sleep(600)
                body = bodies.get(self.path)
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://10.0.2.2:{self.server.server_port}"


class FolderServer:
    """Serves a folder of the host to one machine."""

    def __init__(self, socket, folder):
        self.socket = socket
        self.command = ["/usr/lib/qemu/virtiofsd", f"--socket-path={socket}", "-o", f"source={folder}",
                        "-o", "sandbox=chroot"]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        text=True)
        deadline = time.monotonic() + 20
        while not self.socket.exists():
            ended = self.process.poll()
            assert ended is None, f"virtiofsd ended with status {ended}: {self.process.stderr.read()}"
            assert time.monotonic() < deadline, f"virtiofsd makes no socket at {self.socket}"
            time.sleep(0.05)
        return self.socket

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
