"""What is installed, and what is not."""

import copy
import json
import pickle
import subprocess
import sys

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    BulkheadFullError,
    CircuitOpenError,
    ConfigurationError,
    DeadlineExceeded,
    DeadlineTooShortError,
    Pipeline,
)
from holdfast.integrations.http import standard


def after(*statements):
    """Return what a fresh interpreter prints as JSON."""
    code = "import json, sys\n" + "\n".join(statements)
    command = [sys.executable, "-c", code]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("missing", ["httpx", "httpx2"])
def test_an_extra_that_is_missing_is_named(missing):
    """The message says what to install."""
    message = after(
        f"sys.modules[{missing!r}] = None",
        f"try: import holdfast.integrations.{missing}",
        "except ImportError as error: print(json.dumps([str(error), error.name]))",
    )

    assert message[0].endswith(f"is not installed: pip install 'holdfast[{missing}]'")
    assert message[1] == missing


def test_an_error_inside_a_package_that_is_there_is_not_mistaken_for_it():
    """A broken installation shows its own error."""
    name = after(
        "sys.modules['httpcore'] = None",
        "import httpx",
        "from holdfast.integrations._extras import needs",
        "try:",
        "    with needs('httpx'): import httpcore",
        "except ImportError as error: print(json.dumps(error.name))",
    )

    assert name == "httpcore"


@pytest.mark.parametrize("one,other", [("httpx", "httpx2"), ("httpx2", "httpx")])
def test_one_library_does_not_load_the_other(one, other):
    """Each is an extra of its own."""
    loaded = after(f"import holdfast.integrations.{one}", "print(json.dumps(sorted(sys.modules)))")

    assert one in loaded
    assert other not in loaded


def test_the_semantics_of_http_need_no_client():
    """Nor asyncio."""
    loaded = after("import holdfast.integrations.http", "print(json.dumps(sorted(sys.modules)))")

    assert not {"httpx", "httpx2", "asyncio"} & set(loaded)


@pytest.mark.parametrize(
    "error",
    [
        AttemptTimeout(pipeline="shop", strategy="timeout", seconds=2.0),
        DeadlineExceeded(pipeline="shop", strategy="timeout", seconds=2.0, at=7.0),
        BulkheadFullError("full", pipeline="shop"),
        CircuitOpenError(
            pipeline="shop", strategy="circuit breaker", retry_after=3.0, opened_at=1.0
        ),
        DeadlineTooShortError(pipeline="shop"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_both_worlds_pickle_and_copy(library, error):
    """With their class, message and attributes."""
    pytest.importorskip(library)
    kit = pytest.importorskip(f"holdfast.integrations.{library}").KIT
    both = kit.both(copy.copy(error))

    for again in (pickle.loads(pickle.dumps(both)), copy.copy(both)):
        assert type(again) is type(both)
        assert isinstance(again, type(error))
        assert isinstance(again, kit.module.TransportError)
        assert str(again) == str(error)
        assert again.pipeline == "shop"


class TestConfiguration:
    @pytest.fixture(params=["Transport", "AsyncTransport"])
    def kind(self, library, request):
        """A class of transports."""
        pytest.importorskip(library)
        return getattr(pytest.importorskip(f"holdfast.integrations.{library}"), request.param)

    def test_wrong_options_are_refused_where_they_are_written(self, kind):
        """With the option, the value and what would do."""
        for options, message in (
            ({"pipeline": "shop"}, "pipeline='shop'"),
            ({"connect": 0}, "connect=0"),
            ({"max_hosts": 0}, "max_hosts=0"),
        ):
            with pytest.raises(ConfigurationError, match=message):
                kind(**options)

    def test_options_of_a_pool_do_not_go_with_a_transport(self, kind):
        """They would have no effect."""
        with pytest.raises(ConfigurationError, match="http2"):
            kind(transport=object(), http2=True)

    def test_a_factory_must_return_a_pipeline(self, web):
        """Said at the first request to a host, with its origin."""
        client = web.client(lambda origin: Bulkhead(1))

        with pytest.raises(ConfigurationError, match="http://shop"):
            web.get(client)

    def test_contexts_and_closing_reach_the_transport_that_was_given(self, web):
        """Once each."""
        calls = []

        class Inner(web.module.MockTransport):
            def close(self):
                calls.append("close")

            async def aclose(self):
                calls.append("close")

            def __enter__(self):
                calls.append("enter")
                return self

            async def __aenter__(self):
                calls.append("enter")
                return self

        inner = Inner(lambda request: web.module.Response(200))
        client = web.client(Pipeline("shop"), transport=inner)

        async def use():
            if web.is_async:
                async with client:
                    await client.get("http://shop/")
            else:
                with client:
                    client.get("http://shop/")

        web.world.run(use)

        assert calls == ["enter", "close"]

    def test_tls_is_set_up_once_for_all_hosts(self, kind):
        """It takes milliseconds each time."""
        transport = kind(standard, trust_env=False)
        first = transport._make((b"https", b"a", None))
        second = transport._make((b"https", b"b", None))

        assert first.inner._pool._ssl_context is second.inner._pool._ssl_context
