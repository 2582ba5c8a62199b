"""Real servers for the clients' tests, as Debian packages them, in a folder of their own."""

import os
import shutil
import signal
import socket
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

PLACES = [*os.get_exec_path(), "/usr/sbin", "/usr/lib/postgresql/*/bin"]

DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
"""A test run that is killed shall leave no server behind."""


def program(name):
    """Return the path of a server's program; skip the test where there is none."""
    for place in PLACES:
        found = sorted(Path("/").glob(f"{place}/{name}".lstrip("/")))
        if found:
            return str(found[-1])
    pytest.skip(f"{name} is not installed")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@contextmanager
def running(command, ready, end=signal.SIGKILL, **options):
    """Run a server until the block ends, with a signal; wait until it says that it is ready."""
    with subprocess.Popen(
        [*DIES_WITH_US, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        **options,
    ) as process:
        said = []
        for line in process.stdout:
            said.append(line)
            if ready in line:
                break
        else:
            pytest.fail(f"{command[0]} did not start: {''.join(said[-9:])}")
        reader = threading.Thread(target=process.stdout.read, daemon=True)
        reader.start()  # a full pipe would stop it
        try:
            yield
        finally:
            process.send_signal(end)
            reader.join(5.0)


@contextmanager
def redis(folder):
    """Run Redis; give out its port."""
    port = free_port()
    command = [program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with running(command, "Ready to accept connections", cwd=folder):
        yield port


@contextmanager
def mariadb(folder):
    """Run MariaDB, with a root that needs no password; give out the port."""
    port, server = free_port(), program("mariadbd")
    common = [f"--datadir={folder}/data", *(["--user=root"] if os.geteuid() == 0 else [])]
    installed = subprocess.run(
        [program("mariadb-install-db"), "--no-defaults", *common, "--skip-test-db",
         "--auth-root-authentication-method=normal"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert installed.returncode == 0, installed.stdout + installed.stderr
    command = [
        server, "--no-defaults", *common, f"--port={port}", "--bind-address=127.0.0.1",
        f"--socket={folder}/socket", "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0",
    ]  # fmt: skip
    with running(command, "ready for connections"):
        yield port


@contextmanager
def postgres(folder):
    """Run PostgreSQL, which trusts ``postgres``; give out the port.  It refuses to be run by root."""
    port, server = free_port(), program("postgres")
    another = {}
    if os.geteuid() == 0:
        another = {"user": "nobody"}
        shutil.chown(folder, "nobody")
    subprocess.run(
        [program("initdb"), "-D", "data", "-U", "postgres", "-A", "trust", "--no-sync"],
        check=True, capture_output=True, cwd=folder, **another,
    )  # fmt: skip
    command = [server, "-D", "data", "-p", str(port), "-h", "127.0.0.1", "-k", "", "-F"]
    variables = {**os.environ, "LC_ALL": "C"}
    ready, at_once = "ready to accept connections", signal.SIGQUIT  # it has shared memory to free
    with running(command, ready, at_once, cwd=folder, env=variables, **another):
        yield port
