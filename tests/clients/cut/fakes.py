"""Small servers that speak just enough of a protocol to be a client's other end."""

import base64
import hashlib
import socketserver
import ssl
import struct
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path

CERTIFICATE = Path(__file__).parents[2] / "integrations" / "data" / "untrusted.pem"
"""For 127.0.0.1, signed by itself; clients are told to trust it."""

BUCKETS = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListAllMyBucketsResult><Buckets><Bucket><Name>tea</Name></Bucket></Buckets></ListAllMyBucketsResult>
"""


class Server(socketserver.ThreadingTCPServer):
    """A thread for each connection; what goes wrong in one ends it."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """Say nothing: clients are cut here."""


@contextmanager
def served(handler):
    """Run a server on 127.0.0.1, and give out its port."""
    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class Http(BaseHTTPRequestHandler):
    """HTTP/1.1; ``/sized``, ``/chunked`` and ``/open`` send a body little by little."""

    protocol_version = "HTTP/1.1"
    tls = None

    def setup(self):
        if self.tls is not None:
            self.request = self.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self):
        try:
            super().finish()
        finally:
            self.request.close()

    def do_GET(self):
        dripping = self.path.lstrip("/")
        if dripping in ("sized", "chunked", "open"):
            self._drip(dripping)
        else:
            self._reply(BUCKETS, "application/xml")

    def _reply(self, body, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self, how):
        headers = {
            "sized": ("Content-Length", "100"),
            "chunked": ("Transfer-Encoding", "chunked"),
            "open": ("Connection", "close"),
        }
        self.send_response(200)
        self.send_header(*headers[how])
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b"1\r\nx\r\n" if how == "chunked" else b"x")
            time.sleep(0.07)
        self.wfile.write(b"0\r\n\r\n" if how == "chunked" else b"")

    def log_message(self, *args):
        """Print nothing."""


def https():
    """Return HTTP's handler with TLS around it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return type("Https", (Http,), {"tls": context})


class Lines(socketserver.StreamRequestHandler):
    """A greeting, then an answer for each line."""

    greeting = b""

    def handle(self):
        self.wfile.write(self.greeting)
        for line in self.rfile:
            self.wfile.write(self.answer(line.strip()))

    def answer(self, line):
        raise NotImplementedError


class Smtp(Lines):
    greeting = b"220 a fake that takes no mail\r\n"

    def answer(self, line):
        return b"250 as you please, whatever that was\r\n"


class Ftp(Lines):
    greeting = b"220 a fake that has no files\r\n"

    def answer(self, line):
        known = {b"USER": b"230 you are in, whoever you are\r\n", b"PWD": b'257 "/here" it is\r\n'}
        return known.get(line.split()[0], b"200 as you please\r\n")


class Imap(Lines):
    greeting = b"* OK a fake that has no mail\r\n"

    def answer(self, line):
        tag, command, *_ = line.split()
        told = b"* CAPABILITY IMAP4rev1\r\n" if command.upper() == b"CAPABILITY" else b""
        return told + tag + b" OK as you please, whatever that was\r\n"


class Ldap(socketserver.StreamRequestHandler):
    """Binds anybody, and finds nothing."""

    def handle(self):
        while header := self.rfile.read(2):
            size = header[1]
            if size & 0x80:
                size = int.from_bytes(self.rfile.read(size & 0x7F), "big")
            message = self.rfile.read(size)
            number, operation = message[: 2 + message[1]], message[2 + message[1]]
            answered = {0x60: 0x61, 0x63: 0x65}.get(operation)
            if answered:
                words = b"a fake that knows nobody at all"
                result = b"\x0a\x01\x00\x04\x00\x04" + bytes([len(words)]) + words
                body = number + bytes([answered, len(result)]) + result
                self.wfile.write(bytes([0x30, len(body)]) + body)


class WebSocket(socketserver.StreamRequestHandler):
    """Says what it is told, in short frames."""

    GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    def handle(self):
        headers = {}
        while line := self.rfile.readline().strip():
            name, _, value = line.partition(b": ")
            headers[name.lower()] = value
        accepted = hashlib.sha1(headers[b"sec-websocket-key"] + self.GUID).digest()
        self.wfile.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(accepted) + b"\r\n\r\n"
        )
        while header := self.rfile.read(2):
            size = header[1] & 0x7F
            mask, data = self.rfile.read(4), self.rfile.read(size)
            data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
            if header[0] & 0x0F == 8:  # it closes: so do we
                self.wfile.write(bytes([header[0], size]) + data)
                return
            self.wfile.write(bytes([header[0], size]) + data)


class Mongo(socketserver.StreamRequestHandler):
    """Knows ``hello`` and ``ping``, and has one document in each collection."""

    QUERY, REPLY, MESSAGE = 2004, 1, 2013

    def handle(self):
        import bson

        while header := self.rfile.read(16):
            size, number, _, operation = struct.unpack("<iiii", header)
            data = self.rfile.read(size - 16)
            if operation == self.QUERY:
                head = struct.pack("<iqii", 8, 0, 0, 1)
                self._say(number, self.REPLY, head + bson.encode(self._hello()))
            else:
                asked = bson.decode(data[5 : 5 + int.from_bytes(data[5:9], "little")])
                answer = bson.encode(self._answer(asked))
                self._say(number, self.MESSAGE, b"\0\0\0\0\0" + answer)

    def _say(self, number, operation, body):
        self.wfile.write(struct.pack("<iiii", 16 + len(body), 1, number, operation) + body)

    def _hello(self):
        return {
            "ok": 1.0, "ismaster": True, "helloOk": True, "isWritablePrimary": True,
            "minWireVersion": 0, "maxWireVersion": 25, "maxBsonObjectSize": 16777216,
            "maxMessageSizeBytes": 48000000, "maxWriteBatchSize": 100000,
            "logicalSessionTimeoutMinutes": 30, "readOnly": False,
        }  # fmt: skip

    def _answer(self, asked):
        command = next(iter(asked))
        if command in ("hello", "ismaster", "isMaster"):
            return self._hello()
        if command == "find":
            batch = {"id": 0, "ns": f"{asked['$db']}.{asked['find']}", "firstBatch": [{"tea": 3}]}
            return {"ok": 1.0, "cursor": batch}
        return {"ok": 1.0}


@contextmanager
def ssh():
    """Run an SSH server that lets anybody in; whatever it runs says what it is told."""
    import paramiko

    key = paramiko.ECDSAKey.generate()

    class Anybody(paramiko.ServerInterface):
        def check_auth_password(self, username, password):
            return paramiko.AUTH_SUCCESSFUL

        def check_channel_request(self, kind, chanid):
            return paramiko.OPEN_SUCCEEDED

        def check_channel_exec_request(self, channel, command):
            threading.Thread(target=answer, args=(channel,), daemon=True).start()
            return True

    def answer(channel):
        while told := channel.recv(1024):
            channel.sendall(told)
        channel.send_exit_status(0)
        channel.close()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            transport = paramiko.Transport(self.request)
            transport.add_server_key(key)
            with suppress(paramiko.SSHException, EOFError, OSError):
                transport.start_server(server=Anybody())
            transport.join()

    with served(Handler) as port:
        yield port


@contextmanager
def grpc():
    """Run a gRPC server with one method, ``/tea/Brew``, that says what it is told."""
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    method = grpc.unary_unary_rpc_method_handler(lambda told, _: told)
    handler = grpc.method_handlers_generic_handler("tea", {"Brew": method})
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool, handlers=(handler,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield port
        server.stop(0).wait()
