"""The fixtures `holdfast_fault_server` and `holdfast_fault_proxy`."""

import urllib.error
import urllib.request

import pytest

from holdfast.testing.faults import Cut, Reply

pytestmark = pytest.mark.real_time


def load(url):
    with urllib.request.urlopen(url, timeout=5.0) as response:
        return response.read()


def test_the_server_runs_and_does_as_it_is_told(holdfast_fault_server):
    """It replies 200 until then."""
    assert load(holdfast_fault_server.url) == b""

    holdfast_fault_server.behave([Reply(body="teas"), 503])

    assert load(holdfast_fault_server.url) == b"teas"
    with pytest.raises(urllib.error.HTTPError) as caught:
        load(holdfast_fault_server.url)
    caught.value.close()


def test_a_proxy_is_put_before_whatever_is_needed(
    holdfast_fault_server,
    holdfast_fault_proxy,
):
    """Several, if need be; all of them end with the test."""
    one, other = (holdfast_fault_proxy(holdfast_fault_server) for _ in range(2))
    one.behave(Cut(0), direction="upstream")

    with pytest.raises(OSError):  # noqa: PT011 - the client may see a reset or an end
        load(one.url)
    assert load(other.url) == b""
