"""What the stores of the test have in common: a metadata service, a front end over TLS, and control for the test.

The names of a store resolve to the front end. It checks requests like the real store if the emulator behind it does
not, and makes responses fail as the test requests. Control: PUT /state with JSON begins a case; GET /log returns the
requests since then.
"""
import http.client
import http.server
import json
import socket
import ssl
import sys
import threading
import time
import uuid
from email.utils import formatdate

CONTROL_PORT = 8099
METADATA_ADDRESS = "169.254.169.254"
START_TIMEOUT_S = 60
# Not to be forwarded.
HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class Cloud:
    """State of the current case, and the requests in it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.begin({})

    def begin(self, state):
        with self.lock:
            self.state = state
            self.log = []
            self.tokens = set()

    def get(self, name, default=None):
        return self.state.get(name, default)

    def record(self, **entry):
        with self.lock:
            self.log.append(entry)

    def take(self, name):
        """Removes and returns the next item of a list, if one is left."""
        with self.lock:
            left = self.state.get(name) or []
            return left.pop(0) if left else None

    def new_token(self):
        token = uuid.uuid4().hex
        self.tokens.add(token)
        return token


class Answer:
    def __init__(self, status, body=b"", headers=()):
        self.status = status
        self.body = body if isinstance(body, bytes) else body.encode()
        self.headers = list(headers)

    def shortened(self, length):
        """The first bytes of a range, which says so."""
        def shorter(name, value):
            if name.lower() != "content-range":
                return name, value
            start = int(value.removeprefix("bytes ").split("-")[0])
            return name, f"bytes {start}-{start + length - 1}/{value.split('/')[1]}"
        headers = [shorter(*header) for header in self.headers if header[0].lower() != "content-length"]
        return Answer(self.status, self.body[:length], headers)

    @staticmethod
    def of_json(value, status=200):
        return Answer(status, json.dumps(value), [("Content-Type", "application/json")])

    @staticmethod
    def of_error(status, code, message, headers=()):
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        return Answer(status, body, [("Content-Type", "application/xml"), *headers])


def handler(cloud, side, answer_of):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def date_time_string(self, timestamp=None):
            return formatdate(time.time() + cloud.get("clock", 0), usegmt=True)

        def serve(self):
            self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault = cloud.take("faults") if side == "front" and self.command == "GET" else None
            answer = answer_of(self)
            if fault and "status" in fault:
                answer = Answer.of_error(fault["status"], "SlowDown", "Please reduce your request rate.")
            if side != "control":
                names = {name.lower(): value for name, value in self.headers.items()}
                cloud.record(side=side, method=self.command, host=names.get("host", ""), path=self.path,
                           headers=names, status=answer.status)
            if fault and "drop" in fault:
                self.close_connection = True
                return
            if fault and "short" in fault and answer.status == 206:
                answer = answer.shortened(fault["short"])
            self.send(answer, fault or {})

        def send(self, answer, fault):
            self.send_response(answer.status)
            for name, value in answer.headers:
                if name.lower() not in HOP_HEADERS:
                    self.send_header(name, value)
            length = dict((name.lower(), value) for name, value in answer.headers).get("content-length")
            is_head = self.command == "HEAD"
            self.send_header("Content-Length", length if is_head and length else str(len(answer.body)))
            self.end_headers()
            if is_head:
                return
            cut = fault.get("cut")
            self.wfile.write(answer.body if cut is None else answer.body[:cut])
            self.wfile.flush()
            if cut is not None:
                self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = serve

    return Handler


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address, handler_class, certificate=None):
        super().__init__(address, handler_class)
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)

    def finish_request(self, request, client_address):
        if self.context:
            try:
                request = self.context.wrap_socket(request, server_side=True)
            except OSError:
                return
        super().finish_request(request, client_address)
        if self.context:
            try:
                request.close()
            except OSError:
                pass

    def handle_error(self, request, client_address):
        # Broken connections are part of the test; anything else is reported.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def start(address, port, handler_class, certificate=None):
    server = Server((address, port), handler_class, certificate)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def wait_for(port):
    end = time.time() + START_TIMEOUT_S
    while time.time() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nobody listens at port {port}")


def ask(port, method, path, body=None, headers=(), context=None):
    """Sends a request to an emulator; returns the answer with all its headers."""
    if context:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    headers = dict(headers)
    headers.setdefault("Host", f"127.0.0.1:{port}")
    if body is not None:
        headers["Content-Length"] = str(len(body))
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    response = connection.getresponse()
    answer = Answer(response.status, response.read(), response.getheaders())
    connection.close()
    return answer


def expect(answer, *statuses):
    if answer.status not in statuses:
        sys.exit(f"the emulator answered {answer.status}: {answer.body[:500]!r}")
    return answer


def run(cloud, metadata, front, certificate):
    """Serves until it is killed."""
    def control(request):
        if request.command == "PUT":
            cloud.begin(json.loads(request.body))
            return Answer(200)
        return Answer.of_json(cloud.log)

    start(METADATA_ADDRESS, 80, handler(cloud, "metadata", metadata))
    start("127.0.0.1", 443, handler(cloud, "front", front), certificate)
    start("127.0.0.1", CONTROL_PORT, handler(cloud, "control", control))
    threading.Event().wait()


def content(length, seed):
    """The same as `content` of the test."""
    period = bytes((i * seed) % 251 for i in range(251))
    return (period * (length // 251 + 1))[:length]
