"""The table of clients in docs/how-to/time-out-blocking-code.md: what the tests here assert of each.

The tests look their case's row up by name, so the page says what they have shown.
``python -m tests.clients.cut.table`` prints it.
"""

import sys
from dataclasses import dataclass

CUT, TOLD = "cut", "told"
WORKS = "the next call works"
LATE = "the late result is yours"
FOUND = "what it sends over a connection found late is cut; the next call works"


@dataclass(frozen=True, kw_only=True)
class Row:
    """What becomes of a client's calls.

    Args:
        client: its name, and how it was made where that matters; Markdown.
        hangs: what happens to a call while its server says nothing, `CUT` or `TOLD`.
        own: what gives it the limit where it can't be cut.
        trickles: the same where the answer comes a byte at a time; nothing if there is no such case.
        raises: the names of the errors of which the next call on the same object raises one; none if
            it works.
        remedy: what helps then.
        after: what stands in the last column, where that isn't enough.
    """

    client: str
    hangs: str = CUT
    own: str = ""
    trickles: str = CUT
    raises: tuple[str, ...] = ()
    remedy: str = ""
    after: str = ""

    def cells(self) -> list[str]:
        """Return what stands in its columns."""
        hangs = f"{self.hangs}; its own: {self.own}" if self.own else self.hangs
        return [self.client, hangs, self.trickles or "–", self._afterwards()]

    def _afterwards(self) -> str:
        if self.after:
            return self.after
        if not self.raises:
            return WORKS
        return f"{', '.join(f'`{name}`' for name in self.raises)}: {self.remedy}"


def told(client: str, own: str = "", trickles: str = TOLD, after: str = LATE) -> Row:
    """Return the row of something that waits for no socket of its own."""
    return Row(client=client, hangs=TOLD, own=own, trickles=trickles, after=after)


ROWS = {
    "urllib": Row(client="`urllib.request`"),
    "http.client": Row(
        client="`http.client`",
        raises=("CannotSendRequest", "ConnectionResetError", "BrokenPipeError", "SSLEOFError"),
        after="after a part of an answer `CannotSendRequest` or a connection error: `close()`",
    ),
    "urllib3": Row(client="urllib3"),
    "requests": Row(client="requests"),
    "httpx": Row(client="httpx"),
    "httpcore": Row(client="httpcore"),
    "boto3": Row(client='boto3, `Config(retries={"total_max_attempts": 1})`'),
    "curl_cffi": told("curl_cffi", "`timeout=allowance()`"),
    "redis-py": Row(client="redis-py, `retry=None`"),
    "retries": Row(
        client="redis-py from 6 and boto3, by default (they retry)",
        hangs="cut, and again; their pauses are told",
        trickles="cut, and again",
    ),
    "psycopg2": Row(client="psycopg2", raises=("InterfaceError",), remedy="connect anew"),
    "psycopg": Row(client="psycopg", raises=("OperationalError",), remedy="connect anew"),
    "psycopg_pool": Row(client="psycopg_pool, with a connection"),
    "waiting for a pool": told(
        "psycopg_pool, waiting for one", "`connection(timeout=allowance())`", after=FOUND
    ),
    "pg8000": Row(client="pg8000", raises=("InterfaceError",), remedy="connect anew"),
    "PyMySQL": Row(client="PyMySQL", raises=("InterfaceError",), remedy="connect anew"),
    "mysqlclient": Row(client="mysqlclient", raises=("OperationalError",), remedy="connect anew"),
    "mysql-connector-python": Row(
        client="mysql-connector-python, `use_pure=True`",
        raises=("OperationalError",),
        remedy="`reconnect()`",
    ),
    "SQLAlchemy with psycopg": Row(client="SQLAlchemy with psycopg"),
    "SQLAlchemy with PyMySQL": Row(client="SQLAlchemy with PyMySQL"),
    "pymongo": Row(client="pymongo, connected, `retryReads=False`"),
    "waiting for a server": told(
        "pymongo, looking for its server, as before a retry",
        "`with pymongo.timeout(allowance())`",
        after=FOUND,
    ),
    "smtplib": Row(client="`smtplib`", raises=("SMTPServerDisconnected",), remedy="`connect()`"),
    "imaplib": Row(client="`imaplib`", raises=("abort",), remedy="a new one"),
    "ftplib": Row(
        client="`ftplib`",
        raises=("ConnectionResetError", "BrokenPipeError", "EOFError"),
        remedy="`connect()` and `login()`",
    ),
    "ldap3": Row(client="ldap3"),
    "websocket-client": Row(
        client="websocket-client",
        raises=("WebSocketConnectionClosedException",),
        remedy="a new one, `connect()` would read on where it was cut",
    ),
    "websockets": told("websockets (`websockets.sync`)", "`recv(timeout=allowance())`"),
    "paramiko": told("paramiko", "`exec_command(..., timeout=allowance())`"),
    "grpc": told("grpc", "`timeout=allowance()`"),
    "names": Row(client="`socket.getaddrinfo`", trickles=""),
    "subprocess": told("`subprocess`", "`timeout=allowance()`", trickles=""),
    "locks": told("locks, queues, futures", "`timeout=allowance()`", trickles=""),
    "sleep": told("`time.sleep`", trickles=""),
}

HEAD = ["client", "hangs before the answer", "trickles", "afterwards"]


def rendered() -> str:
    """Return the table in Markdown, with an end of line at its end."""
    rows = [HEAD, ["---"] * len(HEAD), *(row.cells() for row in ROWS.values())]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    sys.stdout.write(rendered())
