#!/usr/bin/env python3
"""A metadata service for one connection of a machine, which QEMU passes as standard input and output:
metadata.py FOLDER. It serves the files below FOLDER, and adds the requested paths to FOLDER.requested."""

import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
words = sys.stdin.buffer.readline().decode(errors="replace").split()
while sys.stdin.buffer.readline().strip():
    pass
path = words[1]
with open(folder.with_suffix(".requested"), "a", encoding="utf-8") as requested:
    requested.write(path + "\n")
file = folder / path.lstrip("/")
found = file.is_file()
body = file.read_bytes() if found else b""
head = f"HTTP/1.1 {'200 OK' if found else '404 Not Found'}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
sys.stdout.buffer.write(head.encode() + body)
