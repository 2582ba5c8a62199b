"""Each test here is played with each SDK, sync and async."""

import importlib.util

import pytest

from tests.clients.streams.fake import serving
from tests.clients.streams.sdks import SDKS, Model


@pytest.fixture(params=SDKS)
def model(request):
    """An SDK; the test is skipped where it is not installed."""
    if importlib.util.find_spec(request.param.removesuffix("-async")) is None:
        pytest.skip(f"python3 dev.py clients has {request.param}")
    return Model(request.param)


@pytest.fixture
def serve():
    """What starts a server that plays answers, the last one for ever."""
    return serving
