"""The transports, for httpx and httpx2 alike: the module is handed in.

An attempt that is answered with one of `statuses` raises ``HTTPStatusError`` inside the pipeline, so
that each strategy sees a failure; the response comes out again at the outer edge, as httpx returns it.
So that its connection is free while a retry waits, its body is read at once where it is small.

Invariants: whichever way a request ends, each of its responses but the one that is returned is closed;
the host is in use, and its bulkhead's permit taken, until the body of that one is closed; the request
has its own extensions again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Final, Self

from holdfast import _validate
from holdfast._compile import protect
from holdfast.errors import ConfigurationError, HoldfastError
from holdfast.integrations import http
from holdfast.integrations._hosts import Host, Hosts
from holdfast.integrations._httpx_exchange import Exchange
from holdfast.integrations._httpx_kit import Kit
from holdfast.integrations._httpx_options import maker_of_keys, most_at_once, most_in_all
from holdfast.integrations._lifetime import fitted
from holdfast.integrations._proxies import of_environment
from holdfast.pipeline import Pipeline
from holdfast.strategies.bulkhead import Bulkhead
from holdfast.strategies.hedge import Hedge
from holdfast.strategies.retry import Retry

if TYPE_CHECKING:
    from datetime import timedelta

CONNECT: Final = 3.0
"""Seconds for a connection: the first SYN and two more, which Linux sends after 1 s and 3 s."""

TLS: Final = ("verify", "cert", "trust_env")


Pipelines = Pipeline | Callable[[str], Pipeline] | None


class Base:
    """What the blocking and the async transport share: all but the waiting."""

    _kit: Kit
    _inner: str
    """The name of the client's own transport."""
    _attempt: Callable[[Exchange], Any]
    """One attempt: the function that the pipelines protect."""

    def __init__(
        self,
        pipeline: Pipelines = None,
        *,
        transport: Any = None,
        connect: float | timedelta = CONNECT,
        statuses: Collection[int] = http.STATUSES,
        repeat: http.Repeat = None,
        idempotency_key: bool | Callable[[Any], str] = False,
        max_hosts: int = 1_000,
        **options: Any,
    ) -> None:
        if pipeline is not None and not isinstance(pipeline, Pipeline):
            _validate.plain_callable("pipeline", pipeline)
        if isinstance(pipeline, Pipeline):
            fitted(pipeline)  # so that what doesn't fit is refused here, and not with a request
        if transport is not None and options:
            raise ConfigurationError(
                f"{', '.join(options)}: these options are for the connection pools that are made here, "
                "and transport= brings one of its own: give them to that one"
            )
        self._pipeline = http.standard if pipeline is None else pipeline
        if options.get("retries"):
            raise ConfigurationError(
                f"retries={options['retries']!r}: httpx's own repeating sleeps past every deadline, and "
                "isn't needed: what was never sent is repeated here, whatever its method; see attempts="
            )
        self._given = transport
        self._connect = _validate.seconds("connect", connect)
        self._statuses = frozenset(statuses)
        self._repeats = http.repeats(repeat)
        self._new_key = maker_of_keys(idempotency_key)
        self._options = options
        self._context: Any = None
        self._hosts: Hosts[Any] = Hosts(self._make, _validate.count("max_hosts", max_hosts))

    def pipeline(self, origin: str) -> Pipeline:
        """Return the pipeline of an origin such as ``"https://api.example.com"``; a path doesn't matter.

        It is made if there was no request to that host yet, so its breaker can be held open before.

        Raises:
            ConfigurationError: for what is no URL with a scheme and a host.
        """
        url = self._kit.module.URL(_validate.text("origin", origin))
        if not (url.scheme and url.host):
            raise _validate.refuse("origin", origin, 'it must be such as "https://api.example.com"')
        return self._hosts.of((url.raw_scheme, url.raw_host, url.port)).pipeline

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Return the state of each host's strategies as plain data, by its origin."""
        return self._hosts.snapshot()

    def __repr__(self) -> str:
        number = len(self._hosts)
        return f"<{type(self).__name__} with {number} host{'' if number == 1 else 's'}>"

    def _make(self, key: tuple[bytes, bytes, int | None]) -> Host[Any]:
        """Make what belongs to one host.  Runs the user's code, under no lock."""
        origin = http.origin(key[0].decode("ascii"), key[1].decode("ascii"), key[2])
        given = self._pipeline
        pipeline = given if isinstance(given, Pipeline) else given(origin)
        if not isinstance(pipeline, Pipeline):
            raise _validate.refuse(
                "pipeline", pipeline, f"for {origin!r} it must return a Pipeline"
            )
        inner = self._given or self._pool(pipeline, key)
        name, whole = pipeline.name, fitted(pipeline)
        singly = tuple(one for one in whole if not isinstance(one, Hedge))
        once = tuple(http.never_sent_only(one) if isinstance(one, Retry) else one for one in singly)
        # not by a new Pipeline, which would warn of the user's order of layers once more
        repeating, only_once, one_by_one = (
            protect(name, layers, self._attempt) for layers in (whole, once, singly)
        )
        keyed, most = pipeline is not given, most_in_all(whole)
        return Host(origin, pipeline, inner, repeating, only_once, one_by_one, most, keyed)

    def _pool(self, pipeline: Pipeline, key: tuple[bytes, bytes, int | None]) -> Any:
        """Make a connection pool for all that the bulkhead lets pass, with their hedges."""
        options = {name: value for name, value in self._options.items() if name not in TLS}
        module = self._kit.module
        layers = pipeline.strategies
        sizes = [
            one.size * most_at_once(layers[place:])
            for place, one in enumerate(layers)
            if isinstance(one, Bulkhead)
        ]
        if sizes and "limits" not in options:
            size = min(sizes)
            options["limits"] = module.Limits(max_connections=size, max_keepalive_connections=size)
        if self._options.get("trust_env", True) and not {"proxy", "uds"} & options.keys():
            options["proxy"] = of_environment(
                key[0].decode("ascii"), key[1].decode("ascii"), key[2]
            )
        if self._context is None:  # it takes milliseconds to make, so all hosts share one
            tls_options = {name: self._options[name] for name in TLS if name in self._options}
            self._context = module.create_ssl_context(**tls_options)
        return getattr(module, self._inner)(verify=self._context, **options)

    def _begun(self, request: Any) -> tuple[Exchange, list[Host[Any]]]:
        """Return the exchange for a request, and the hosts to close."""
        exchange, url = Exchange(self._kit, request, self._connect, self._repeats), request.url
        if self._new_key is not None and not exchange.repeat:
            self._give_key(exchange, self._new_key)
        exchange.host, gone = self._hosts.use((url.raw_scheme, url.raw_host, url.port))
        return exchange, [] if self._given else gone

    @staticmethod
    def _give_key(exchange: Exchange, new_key: Callable[[Any], str]) -> None:
        """Give a request a key of its own, if it has none and is not idempotent without one."""
        request = exchange.request
        if request.method not in http.IDEMPOTENT and not request.headers.get(http.IDEMPOTENCY_KEY):
            exchange.give_key(new_key(request))


class BlockingTransport(Base):
    """`Transport`, but for the base class that makes it one of httpx or httpx2."""

    _inner = "HTTPTransport"

    def handle_request(self, request: Any) -> Any:
        """Send a request through the pipeline of its host."""
        exchange, gone = self._begun(request)
        try:
            for host in gone:
                host.inner.close()
            call = exchange.protected()
            try:
                exchange.answer = call(exchange)
            except self._kit.module.HTTPStatusError as error:
                exchange.answer = exchange.recovered(error)
            except HoldfastError as error:
                self._kit.both(error)  # it becomes one of httpx's errors, too
                raise
            return exchange.answer
        finally:
            self._close(exchange.leave(self._hosts.release))

    def _close(self, leftovers: list[Any]) -> None:
        """Close each response, whatever closing another one raises."""
        if leftovers:
            try:
                leftovers.pop().close()
            finally:
                self._close(leftovers)

    def _attempt(self, exchange: Exchange) -> Any:
        exchange = exchange.attempt()
        if exchange.response is not None:
            exchange.response.close()
        request = exchange.begin()
        try:
            response = exchange.host.inner.handle_request(request)
        except self._kit.Timeout as error:
            exchange.check(error)
            raise
        body = exchange.received(response, self._kit.body)
        if exchange.lost:
            response.close()
        elif body is not None and exchange.hastened(self._statuses):
            body.drain(exchange.drained)
        return exchange.judged(self._statuses)

    def close(self) -> None:
        """Close all connections."""
        gone = self._hosts.clear()
        for inner in [host.inner for host in gone] if self._given is None else [self._given]:
            inner.close()

    def __enter__(self) -> Self:
        if self._given is not None:
            self._given.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._given is None:
            self.close()
        else:
            self._given.__exit__(*error)


class AsyncioTransport(Base):
    """`AsyncTransport`, but for the base class that makes it one of httpx or httpx2."""

    _inner = "AsyncHTTPTransport"

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request through the pipeline of its host."""
        exchange, gone = self._begun(request)
        try:
            for host in gone:
                await host.inner.aclose()
            call = exchange.protected()
            try:
                exchange.answer = await call(exchange)
            except self._kit.module.HTTPStatusError as error:
                exchange.answer = exchange.recovered(error)
            except HoldfastError as error:
                self._kit.both(error)  # it becomes one of httpx's errors, too
                raise
            return exchange.answer
        finally:
            await self._close(exchange.leave(self._hosts.release))

    async def _close(self, leftovers: list[Any]) -> None:
        """Close each response, also where the caller is cancelled meanwhile."""
        if leftovers:
            try:
                await leftovers.pop().aclose()
            finally:
                await self._close(leftovers)

    async def _attempt(self, exchange: Exchange) -> Any:
        exchange = exchange.attempt()
        if exchange.response is not None:
            await exchange.response.aclose()
        request = exchange.begin()
        try:
            response = await exchange.host.inner.handle_async_request(request)
        except self._kit.Timeout as error:
            exchange.check(error)
            raise
        body = exchange.received(response, self._kit.async_body)
        if body is not None and exchange.hastened(self._statuses):
            await body.drain(exchange.drained)
        return exchange.judged(self._statuses)

    async def aclose(self) -> None:
        """Close all connections."""
        gone = self._hosts.clear()
        for inner in [host.inner for host in gone] if self._given is None else [self._given]:
            await inner.aclose()

    async def __aenter__(self) -> Self:
        if self._given is not None:
            await self._given.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._given is None:
            await self.aclose()
        else:
            await self._given.__aexit__(*error)
