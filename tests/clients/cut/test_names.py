"""A name server that says nothing: looking up a name is cut, and the next time it is asked anew."""

import shutil
import subprocess
import sys

import pytest

from tests.clients.cut.table import CUT, ROWS

pytestmark = pytest.mark.real_time

ALONE = ["unshare", "--map-root-user", "--mount", "--net"]
"""In a network of its own, where a name server of ours may listen, with a resolv.conf of its own."""

SCRIPT = """
import fcntl, socket, struct, subprocess, tempfile, threading, time
from holdfast import AttemptTimeout, Pipeline, Timeout

def answer():
    "Say that each name is that of 192.0.2.1."
    while True:
        asked, client = server.recvfrom(512)
        found = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\1\\0\\4" + bytes([192, 0, 2, 1])
        server.sendto(asked[:2] + b"\\x81\\x80\\0\\1\\0\\1" + bytes(4) + asked[12:] + found, client)

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
SET_FLAGS, UP_AND_RUNNING = 0x8914, 0x41
fcntl.ioctl(server, SET_FLAGS, struct.pack("16sh14x", b"lo", UP_AND_RUNNING))
server.bind(("127.0.0.1", 53))
with tempfile.NamedTemporaryFile("w") as conf:
    conf.write("nameserver 127.0.0.1\\noptions timeout:3 attempts:2 no-edns0\\n")
    conf.flush()
    subprocess.run(["mount", "--bind", conf.name, "/etc/resolv.conf"], check=True)
    pipeline, began = Pipeline("names", Timeout(0.5)), time.monotonic()
    try:
        pipeline.call(socket.getaddrinfo, "shop.example", 80)
    except AttemptTimeout as error:
        print(type(error.__cause__).__name__, 0.5 <= time.monotonic() - began < 2.0)
    threading.Thread(target=answer, daemon=True).start()
    print(pipeline.call(socket.gethostbyname, "shop.example"))
"""


def test_a_name_that_is_looked_up_is_cut():
    """The resolver would go on for six seconds; for the next name it asks again."""
    if shutil.which("unshare") is None or subprocess.run([*ALONE, "true"], check=False).returncode:
        pytest.skip("this machine lets us make no network of our own")
    command = [*ALONE, sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    assert done.stdout.split() == ["gaierror", "True", "192.0.2.1"]
    assert ROWS["names"].hangs == CUT
