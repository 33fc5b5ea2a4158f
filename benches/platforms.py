#!/usr/bin/env python3
"""Compares obtaining a config from the metadata services of clouds with Ignition: `make bench-platforms`.

A server in a network namespace has the real addresses of the services. Both programs run their fetch stage alternately;
their requests are compared as well, including the headers that the services check. Exits with 1 if a target is missed
or a request differs unexpectedly.
"""

import argparse
import base64
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bench import KINDLING, PEER_STAGES, interleaved, measure

ADDRESSES = ("169.254.169.254", "100.100.100.200")
CONFIG = json.dumps({"ignition": {"version": "3.3.0"}, "storage": {"files": [{"path": "/etc/bench"}]}}).encode()
# Platforms that both programs support, and that need only the service.
PLATFORMS = ("aliyun", "aws", "azure", "digitalocean", "exoscale", "gcp", "openstack", "vultr")
# kindling requests the region only if something is fetched from S3.
ONLY_PEER = {("GET", "/latest/dynamic/instance-identity/document"), ("PUT", "/latest/api/token")}
# Headers that differ between HTTP clients.
CLIENT_HEADERS = {"user-agent", "accept-encoding", "connection", "content-length", "x-amz-user-agent"}

# Each program sends the spec version that it supports.
VERSION = re.compile(r"version=[0-9.]+")

TIME = 1 / 2
RETRY_TIME = 0.7


class Server(ThreadingHTTPServer):
    """Ignores errors of connections that clients close."""

    daemon_threads = True

    def handle_error(self, *_):
        pass


class Service(BaseHTTPRequestHandler):
    """Serves the config at every path. A busy service responds to the first request for each with 503."""

    protocol_version = "HTTP/1.1"
    requests = []
    busy = set()
    is_busy = False

    def answer(self):
        headers = {name.lower(): VERSION.sub("version=X", value)
                   for name, value in self.headers.items() if name.lower() not in CLIENT_HEADERS}
        Service.requests.append((self.command, self.path, tuple(sorted(headers.items()))))
        place = (self.command, self.path)
        if Service.is_busy and place not in Service.busy:
            Service.busy.add(place)
            self.respond(503, b"busy")
        elif "token" in self.path:
            self.respond(200, b"TOKEN")
        elif "instance-identity" in self.path:
            self.respond(200, b'{"region": "eu-west-1"}')
        elif "userData" in self.path:
            self.respond(200, base64.b64encode(CONFIG))
        else:
            self.respond(200, CONFIG)

    do_GET = do_PUT = answer

    def respond(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def fetch(program, work, platform):
    """Measures the fetch stage, and checks that the cache has the config."""
    cache = work / "cache.json"
    for path in (cache, work / "state"):
        path.unlink(missing_ok=True)
    taken = measure([program, f"--platform={platform}", "--stage=fetch", f"--config-cache={cache}", f"--root={work}/root",
                     f"--state-file={work}/state", f"--neednet={work}/neednet", "--log-to-stdout"])
    files = json.loads(cache.read_text())["storage"]["files"]
    if [file["path"] for file in files] != ["/etc/bench"]:
        sys.exit(f"bench: {program} took another config on {platform}: {files}")
    return taken


def requests(program, work, platform):
    Service.requests.clear()
    fetch(program, work, platform)
    return list(Service.requests)


def without(asked, left_out):
    return [request for request in asked if request[:2] not in left_out]


def differences(programs, work):
    """Requests that only one of the programs makes, by platform."""
    found = {}
    for platform in PLATFORMS:
        ours, theirs = (requests(program, work, platform) for program in programs)
        left_out = ONLY_PEER if platform == "aws" else set()
        ours, theirs = (set(without(asked, left_out)) for asked in (ours, theirs))
        if ours != theirs:
            found[platform] = (sorted(ours - theirs), sorted(theirs - ours))
    return found


def compare(what, programs, work, runs, target):
    """Measures all platforms in sequence as one run."""
    def all_of(program):
        Service.busy.clear()
        taken = [fetch(program, work, platform) for platform in PLATFORMS]
        return sum(seconds for seconds, _ in taken), max(kib for _, kib in taken)
    ours, theirs = interleaved(runs, *(lambda program=program: all_of(program) for program in programs))
    ratio = ours[0] / theirs[0]
    met = ratio <= target
    print(f"{what}: kindling {ours[0] * 1000:.0f} ms, Ignition {theirs[0] * 1000:.0f} ms, ratio {ratio:.2f} "
          f"(target {target:.2f}: {'met' if met else 'MISSED'}); peak memory {ours[1] / 1024:.1f} MiB, {theirs[1] / 1024:.1f} MiB")
    return met


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for program in (KINDLING, PEER_STAGES):
        if not os.access(program, os.X_OK):
            sys.exit(f"bench: {program} is missing; make bench-platforms builds and installs what it needs")
    if not arguments.inside:
        os.execvp("unshare", ["unshare", "--net", "--mount", sys.executable, __file__, "--inside", "--runs", str(arguments.runs)])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in ADDRESSES:
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
        server = Server((address, 80), Service)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as directory:
        # Reports of earlier stages on this host must not affect the time.
        os.environ["KINDLING_RUN_DIR"] = f"{directory}/run"
        work = pathlib.Path(directory)
        (work / "root").mkdir()
        ignition = work / "ignition"
        ignition.symlink_to(KINDLING)
        programs = (ignition, PEER_STAGES)
        found = differences(programs, work)
        for platform, (ours, theirs) in found.items():
            print(f"{platform}: other requests\n  kindling: {ours}\n  Ignition: {theirs}")
        met = [not found]
        if not found:
            print(f"the same requests on {', '.join(PLATFORMS)}")
        met.append(compare(f"{len(PLATFORMS)} clouds", programs, work, arguments.runs, TIME))
        Service.is_busy = True
        met.append(compare("each document busy at first", programs, work, arguments.runs, RETRY_TIME))
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
