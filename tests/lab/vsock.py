#!/usr/bin/env python3
"""Plays the hypervisor over VSOCK: vsock.py PORT FOLDER. It gives FOLDER/answer to every request, as it is, and adds the
request to FOLDER/requests. FOLDER/ready is there once it listens."""

import pathlib
import socket
import sys

port, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])
listener = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
listener.bind((socket.VMADDR_CID_ANY, port))
listener.listen()
(folder / "ready").touch()
while True:
    guest, _ = listener.accept()
    with guest, open(folder / "requests", "ab") as requests:
        request = b""
        while b"\r\n\r\n" not in request:
            part = guest.recv(4096)
            if not part:
                break
            request += part
        requests.write(request)
        guest.sendall((folder / "answer").read_bytes())
