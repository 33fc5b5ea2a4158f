#!/usr/bin/env python3
"""Compares fetching with Ignition and with curl: `make bench-fetch`.

64 files from a server 50 ms away, written by the files stage of both programs; a file of 1 GiB with its SHA-512 digest,
compared with `curl | sha512sum`; a gzip file of 256 MiB, compared with `curl | gunzip`. Programs run alternately, and
medians are compared. Exits with 1 if a target is missed.
"""

import argparse
import asyncio
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import zlib

import bench
from bench import KINDLING, PEER_STAGES, compare_line, interleaved, measure

FILES = 64
FILE_BYTES = 10_000
ONE_WAY_SECONDS = 0.025
LARGE_BYTES = 1 << 30
GZIP_BYTES = 256 << 20

MANY_TIME = 1 / 8
STREAM_TIME = 1.15
MEMORY_MIB = 40


class Server:
    """nginx on loopback, with unlimited keep-alive."""

    def __init__(self, work, port):
        self.url = f"http://127.0.0.1:{port}"
        conf = work / "nginx.conf"
        temporary = "".join(f"{kind}_temp_path {work}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        conf.write_text(
            f"daemon off; master_process off; pid {work}/pid; events {{ }}\n"
            f"http {{ {temporary} access_log off; sendfile on; keepalive_requests 1000000;\n"
            f"server {{ listen 127.0.0.1:{port} backlog=1024; root {work}/www; }} }}\n"
        )
        self.process = subprocess.Popen(["/usr/sbin/nginx", "-e", "stderr", "-c", conf])

    def stop(self):
        self.process.terminate()
        self.process.wait()


class DelayRelay(threading.Thread):
    """A relay that delays every byte in each direction."""

    def __init__(self, target):
        super().__init__(daemon=True)
        self.target = target
        self.ready = threading.Event()
        self.port = None

    def run(self):
        asyncio.run(self.serve())

    async def serve(self):
        server = await asyncio.start_server(self.relay, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        async with server:
            await server.serve_forever()

    async def relay(self, reader, writer):
        # The handshake with a remote server takes a round trip as well.
        await asyncio.sleep(2 * ONE_WAY_SECONDS)
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
        await asyncio.gather(self.delay(reader, there_writer), self.delay(there_reader, writer))

    async def delay(self, reader, writer):
        loop = asyncio.get_running_loop()
        held = asyncio.Queue()

        async def forward():
            while True:
                due, data = await held.get()
                await asyncio.sleep(max(0, due - loop.time()))
                if not data:
                    break
                writer.write(data)
                await writer.drain()
            writer.close()

        forwarding = asyncio.create_task(forward())
        try:
            while data := await reader.read(1 << 16):
                held.put_nowait((loop.time() + ONE_WAY_SECONDS, data))
        except ConnectionError:
            pass
        held.put_nowait((loop.time() + ONE_WAY_SECONDS, b""))
        try:
            await forwarding
        except ConnectionError:
            pass


def free_port():
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def write_pages(work):
    """Writes the files of the server; returns the digest of the large one."""
    www = work / "www"
    www.mkdir()
    for n in range(FILES):
        (www / f"small{n}").write_bytes(hashlib.sha512(str(n).encode()).digest() * (FILE_BYTES // 64))
    digest = hashlib.sha512()
    block = bytearray(os.urandom(1 << 20))
    with open(www / "large", "wb") as large:
        for n in range(LARGE_BYTES >> 20):
            block[:8] = n.to_bytes(8, "little")
            large.write(block)
            digest.update(block)
    # Text that compresses to about a third, like logs and images.
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    words = [hashlib.md5(str(n).encode()).hexdigest().encode() for n in range(4096)]
    with open(www / "packed.gz", "wb") as packed:
        number, packed_bytes = 0, 0
        while packed_bytes < GZIP_BYTES:
            text = b" ".join(words[(number * 7919 + n * n) % 4096] + str(number + n).encode() for n in range(20_000))
            number += 20_000
            data = packer.compress(text)
            packed_bytes += len(data)
            packed.write(data)
        packed.write(packer.flush())
    return digest.hexdigest()


class Many:
    """The files stage with files from a distant server; the config is in the cache of each program."""

    def __init__(self, work, url):
        files = [{"path": f"/opt/f{n}", "contents": {"source": f"{url}/small{n}"}} for n in range(FILES)]
        config = work / "many.ign"
        config.write_text(json.dumps({"ignition": {"version": "3.3.0"}, "storage": {"files": files}}))
        self.stages = bench.Stages(bench.FilesStage(work, None), work, config)
        for who in self.stages.programs:
            self.stages.fetch(who)

    def run(self, who):
        return self.stages.files(who)

    def same_trees(self):
        results = self.stages.files_stage.results
        return results["peer stages"] == results["kindling stages"]


class Stream:
    """Writes one file to a tree, compared with a pipe that writes the same file."""

    def __init__(self, work, url, contents, pipe):
        self.root = work / "stream"
        self.config = work / "stream.ign"
        self.pipe = f"set -o pipefail; curl -sSf {url} | {pipe}"
        contents = {"source": url, **contents}
        files = [{"path": "/file", "contents": contents}]
        self.config.write_text(json.dumps({"ignition": {"version": "3.3.0"}, "storage": {"files": files}}))

    def ours(self):
        self.clean()
        return measure([KINDLING, "apply", "--root", self.root, self.config])

    def bare(self):
        self.clean()
        return measure(["bash", "-c", f"{self.pipe.format(file=self.root / 'file')} && sync -f {self.root}"])

    def clean(self):
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir()
        os.sync()


def compare_stream(what, stream, runs):
    bare, ours = interleaved(runs, stream.bare, stream.ours)
    met = compare_line(f"{what}, time", bare[0], ours[0], "s", STREAM_TIME)
    mib = ours[1] / 1024
    fits = mib <= MEMORY_MIB
    print(f"{what + ', memory':<22} {mib:>10.2f} MiB  target <= {MEMORY_MIB} MiB  {'met' if fits else 'MISSED'}")
    return [met, fits]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="runs of each program per measure")
    parser.add_argument("--directory", help="where files are written; default: memory, if there is room")
    arguments = parser.parse_args()
    for program in (KINDLING, PEER_STAGES, "/usr/sbin/nginx", "/usr/bin/curl"):
        if not os.access(program, os.X_OK):
            sys.exit(f"bench: {program} is missing; make bench-fetch builds and installs what it needs")
    directory = arguments.directory or ("/dev/shm" if os.path.isdir("/dev/shm") else None)
    with tempfile.TemporaryDirectory(prefix="kindling-bench-", dir=directory) as name:
        work = pathlib.Path(name)
        digest = write_pages(work)
        server = Server(work, free_port())
        try:
            far = DelayRelay(int(server.url.rsplit(":", 1)[1]))
            far.start()
            far.ready.wait()
            print(f"{'':<22} {'beside':>14} {'kindling':>14}   medians of {arguments.runs} runs")
            many = Many(work, f"http://127.0.0.1:{far.port}")
            peer, ours = interleaved(arguments.runs, lambda: many.run("peer"), lambda: many.run("kindling"))
            met = [compare_line(f"{FILES} files, 50 ms", peer[0], ours[0], "s", MANY_TIME)]
            same = many.same_trees()
            print(f"trees: {'the same' if same else 'DIFFERENT'}")
            met.append(same)
            large = Stream(work, f"{server.url}/large", {"verification": {"hash": f"sha512-{digest}"}},
                           "tee {file} | sha512sum > /dev/null")
            met += compare_stream("1 GiB, sha512", large, arguments.runs)
            packed = Stream(work, f"{server.url}/packed.gz", {"compression": "gzip"}, "gunzip > {file}")
            met += compare_stream("256 MiB gzip", packed, arguments.runs)
        finally:
            server.stop()
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
