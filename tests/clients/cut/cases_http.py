"""HTTP clients."""

import importlib
import ssl
from types import SimpleNamespace

from tests.clients.cut.cases import Case, case
from tests.clients.cut.fakes import CERTIFICATE


class HttpCase(Case):
    """One that can be asked for any path, with and without TLS."""

    lazy = True

    def base(self, port):
        return f"{self.server}://127.0.0.1:{port}"

    def call(self, client):
        return b"tea" in self.get(client, "/")

    def get(self, client, path):
        raise NotImplementedError


def with_tls(cases):
    """Return the cases of HTTP clients among these, for a server that speaks TLS."""
    kinds = [type(one) for one in cases if isinstance(one, HttpCase)]
    return [
        type(kind.__name__, (kind,), {"server": "https", "works_after": ("silence", "drip")})()
        for kind in kinds
    ]


def trusting():
    return ssl.create_default_context(cafile=CERTIFICATE)


@case
class Urllib(HttpCase):
    name = "urllib"
    needs = ("urllib.request",)
    causes = ("URLError", "RemoteDisconnected", "BadStatusLine", "IncompleteRead")

    def open(self, port):
        handlers = [self.module().ProxyHandler({})]
        handlers.append(self.module().HTTPSHandler(context=trusting()))
        return SimpleNamespace(opener=self.module().build_opener(*handlers), base=self.base(port))

    def get(self, client, path):
        with client.opener.open(client.base + path) as response:
            return response.read()

    def close(self, client):
        client.opener.close()


@case
class HttpClient(HttpCase):
    name = "http.client"
    needs = ("http.client",)
    causes = ("RemoteDisconnected", "BadStatusLine", "IncompleteRead", "SSLEOFError")
    works_after = ("silence",)

    def open(self, port):
        if self.server == "https":
            return self.module().HTTPSConnection("127.0.0.1", port, context=trusting())
        return self.module().HTTPConnection("127.0.0.1", port)

    def get(self, client, path):
        client.request("GET", path)
        return client.getresponse().read()


@case
class Urllib3(HttpCase):
    name = "urllib3"
    needs = ("urllib3",)
    causes = ("MaxRetryError", "ProtocolError", "SSLError")

    def open(self, port):
        pool = self.module().PoolManager(ca_certs=str(CERTIFICATE), maxsize=2)
        return SimpleNamespace(pool=pool, base=self.base(port))

    def get(self, client, path):
        return client.pool.request("GET", client.base + path).data

    def close(self, client):
        client.pool.clear()


@case
class Requests(HttpCase):
    name = "requests"
    needs = ("requests",)
    causes = ("ConnectionError", "ChunkedEncodingError", "SSLError")

    def open(self, port):
        session = self.module().Session()
        session.trust_env = False
        session.verify = str(CERTIFICATE)
        return SimpleNamespace(session=session, base=self.base(port))

    def get(self, client, path):
        return client.session.get(client.base + path).content

    def close(self, client):
        client.session.close()


@case
class Httpx(HttpCase):
    name = "httpx"
    needs = ("httpx",)
    causes = ("RemoteProtocolError", "ConnectError", "ReadError")

    def open(self, port):
        return self.module().Client(
            base_url=self.base(port), timeout=None, trust_env=False, verify=trusting()
        )

    def get(self, client, path):
        return client.get(path).content


@case
class Httpcore(HttpCase):
    name = "httpcore"
    needs = ("httpcore",)
    causes = ("RemoteProtocolError", "ConnectError", "ReadError")

    def open(self, port):
        pool = self.module().ConnectionPool(ssl_context=trusting())
        return SimpleNamespace(pool=pool, base=self.base(port))

    def get(self, client, path):
        return client.pool.request("GET", client.base + path).content

    def close(self, client):
        client.pool.close()


@case
class Boto3(Case):
    name = "boto3"
    lazy = True
    needs = ("boto3",)
    causes = ("ConnectionClosedError", "EndpointConnectionError", "ReadTimeoutError")

    def open(self, port):
        config = importlib.import_module("botocore.config").Config(
            connect_timeout=None,
            read_timeout=None,
            retries={"total_max_attempts": 1},
        )
        return self.module().client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="eu-west-1",
            aws_access_key_id="nobody",
            aws_secret_access_key="nothing",
            config=config,
        )

    def call(self, client):
        return client.list_buckets()["Buckets"][0]["Name"] == "tea"
