"""Clients whose calls wait for another thread of theirs, or for more than sockets."""

from types import SimpleNamespace
from typing import ClassVar

from tests.clients.cut.cases import LONG, ToldCase, told
from tests.clients.cut.cases_databases import PsycopgPool, Pymongo


@told
class CurlCffi(ToldCase):
    name = "curl_cffi"
    lazy = True
    needs = ("curl_cffi",)
    expires = ("Timeout",)

    def open(self, port):
        session = self.module().Session(timeout=None, trust_env=False)
        return SimpleNamespace(session=session, url=f"http://127.0.0.1:{port}/")

    def call(self, client):
        return b"tea" in client.session.get(client.url).content

    def bounded(self, client, seconds):
        client.session.get(client.url, timeout=seconds)

    def close(self, client):
        client.session.close()


@told
class WaitingForAPool(PsycopgPool, ToldCase):
    name = "waiting for a pool"
    lazy = True
    expires = ("PoolTimeout",)

    def bounded(self, client, seconds):
        with client.connection(timeout=seconds):
            pass


@told
class WaitingForAServer(Pymongo, ToldCase):
    name = "waiting for a server"
    lazy = True
    expires = ("ServerSelectionTimeoutError",)
    options: ClassVar = {}

    def bounded(self, client, seconds):
        with self.module().timeout(seconds):
            self.call(client)


@told
class Websockets(ToldCase):
    name = "websockets"
    needs = ("websockets.sync.client",)
    server = "websocket"
    expires = ("TimeoutError",)

    def open(self, port):
        return self.module().connect(
            f"ws://127.0.0.1:{port}/", proxy=None, open_timeout=None, ping_interval=None,
            compression=None,
        )  # fmt: skip

    def call(self, client):
        client.send(LONG)
        return client.recv() == LONG

    def bounded(self, client, seconds):
        client.send(LONG)
        client.recv(timeout=seconds)


@told
class Paramiko(ToldCase):
    name = "paramiko"
    needs = ("paramiko",)
    server = "ssh"
    expires = ("TimeoutError", "SSHException")

    def open(self, port):
        client = self.module().SSHClient()
        client.set_missing_host_key_policy(self.module().AutoAddPolicy())
        client.connect(
            "127.0.0.1", port, "anybody", "anything", allow_agent=False, look_for_keys=False
        )
        return client

    def call(self, client, timeout=None):
        told, answer, _ = client.exec_command("cat", timeout=timeout)
        told.write(LONG)
        told.channel.shutdown_write()
        return answer.read().decode() == LONG

    def bounded(self, client, seconds):
        self.call(client, seconds)


@told
class Grpc(ToldCase):
    name = "grpc"
    lazy = True
    needs = ("grpc",)
    server = "grpc"
    expires = ("_InactiveRpcError",)

    def open(self, port):
        options = [("grpc.enable_http_proxy", 0)]
        return self.module().insecure_channel(f"127.0.0.1:{port}", options)

    def call(self, client, timeout=None):
        brew = client.unary_unary("/tea/Brew")
        return brew(LONG.encode(), timeout=timeout, wait_for_ready=True) == LONG.encode()

    def bounded(self, client, seconds):
        self.call(client, seconds)
