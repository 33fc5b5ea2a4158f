"""Logins to a machine in QEMU, through a port of this host."""

import re
import socket
import subprocess
import time

import build
from lab import PROMPT


def make_key(work):
    """Makes a key pair. Returns the path of the private key, and the line of the public one."""
    key = work / "key"
    build.run("key", ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "boot test", "-f", str(key)])
    return key, key.with_suffix(".pub").read_text().strip()


def free_port():
    """A port of this host that is not in use."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def log_in(work, machine, port, key, command, user="core", limit=120):
    """Runs a command in the machine by ssh, after waiting for its server. Returns what it printed."""
    ssh = ["ssh", "-F", "/dev/null", "-i", str(key), "-p", str(port), "-o", "BatchMode=yes", "-o", "ConnectTimeout=20",
           "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={work}/hosts",
           f"{user}@127.0.0.1", command]
    while True:
        result = subprocess.run(ssh, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=limit)
        # 255 is an error of ssh itself.
        if result.returncode != 255:
            return result.stdout
        assert "Permission denied" not in result.stderr, f"the key of the config is not accepted: {result.stderr}"
        assert machine.process.poll() is None and machine.seconds() < machine.deadline - machine.started, (
            f"no login after {machine.seconds():.0f} s: {result.stderr}\n{machine.tail()}")
        assert not re.search(PROMPT, machine.plain(), re.MULTILINE), f"the boot got stuck:\n{machine.tail()}"
        time.sleep(1)
