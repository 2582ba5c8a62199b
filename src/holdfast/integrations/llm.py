"""`llm`: the recommended pipeline for a language model's API.

Such APIs differ from others in five ways, and the defaults follow them:

* **Limits are normal.**  Requests and tokens per minute are part of the contract, so a `RateLimiter`
  keeps to them beforehand, each attempt counted; tokens are estimated from the arguments and
  corrected by the answer's ``usage``.
* **429 and 529 say when to come back**, with ``Retry-After`` or ``retry-after-ms`` (OpenAI, Azure),
  and ``x-should-retry`` says whether to (OpenAI, Anthropic).  A 429 is no failure of the server, so
  the breaker doesn't count it; an exhausted quota (``insufficient_quota``) is not tried again.
* **Answers take minutes, connections do not**: a long total deadline, a long limit for each attempt,
  and a short time to connect (`client_timeout` for the client, since only it can tell the two apart).
* **Answers are streamed**: an attempt lasts until the first item (`Pipeline.stream`), ``first`` and
  ``between`` limit the silences.  Neither has a default: a model that reasons is silent for minutes,
  before its first item or after it, and the SDKs swallow the pings that tell it from one that hangs.
* **Answers cost money**, so there is no hedge.

Works with any client whose errors carry a status (``openai``, ``anthropic``, ``httpx``, ...).  Switch
off its own retries (``max_retries=0``), which would multiply with these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal

from holdfast import _validate, presets
from holdfast._conditions import unhealthy
from holdfast.classify import On
from holdfast.pipeline import Pipeline
from holdfast.presets import OURS, Default
from holdfast.strategies.breaker import CircuitBreaker
from holdfast.strategies.bulkhead import Bulkhead
from holdfast.strategies.rate import AdaptiveRateLimiter, Rate, RateLimiter
from holdfast.strategies.retry import Retry, RetryBudget, backoff
from holdfast.strategies.timeout import AdaptiveTimeout, Timeout
from holdfast.verdict import REJECTED, judge, leaves
from holdfast.verdict.hints import header, headers_of
from holdfast.verdict.reading import within

if TYPE_CHECKING:
    from datetime import timedelta

__all__ = ["CONNECT", "client_timeout", "estimate", "llm", "usage", "worth_retrying"]

CONNECT: Final = 3.0
"""Seconds for a connection: the first SYN and two more, which Linux sends after 1 s and 3 s."""

ATTEMPT: Final = 120.0
"""Seconds for an attempt."""

CONFLICT: Final = 409
"""What OpenAI's and Anthropic's own clients also try again (a lock was not free)."""

SERVER_ERRORS: Final = 500
LETTERS_PER_TOKEN: Final = 4
"""OpenAI's rule of thumb for English text."""

PICTURES: Final = ("image", "image_url", "input_image")
"""The types of parts of messages that hold a picture, whose letters say nothing."""

PICTURE: Final = 1_000 * LETTERS_PER_TOKEN
"""About what a picture of a megapixel costs, in letters."""

EXHAUSTED: Final = "insufficient_quota"


def llm(
    name: str,
    *,
    requests_per_minute: float | None = None,
    tokens_per_minute: float | None = None,
    tokens: Callable[..., float] | None = None,
    used: Callable[[Any], float | None] | None = None,
    timeout: float | timedelta | Timeout | None = 300.0,
    attempt_timeout: float | timedelta | Timeout | AdaptiveTimeout | Default | None = OURS,
    first: float | timedelta | None = None,
    between: float | timedelta | None = None,
    attempts: int | Retry | None = 6,
    concurrency: int | Bulkhead | None = 100,
    on: On | None = None,
    fallback: Any = OURS,
    budget: RetryBudget | Default | None = OURS,
    breaker: CircuitBreaker | Default | None = OURS,
    sync: Literal["cut", "thread", "cooperative"] = "cut",
    adaptive_rate: bool | AdaptiveRateLimiter = False,
) -> Pipeline:
    """Return the recommended pipeline for calls of one language model.

    Outermost first: fallback, total timeout, bulkhead, retry, rate limits, breaker, attempt timeout.
    Each part can be replaced by a strategy of your own, or left out with None.

    Args:
        name: for errors, events and metrics.
        requests_per_minute: what your contract allows; None for no limit here.
        tokens_per_minute: the same for tokens.
        tokens: the tokens that a call will take, from its arguments; by default `estimate`.
        used: the tokens that it has taken, from its result, or from a stream's last item; by default
            `usage`.
        timeout: the total, waits for the rate limits and a stream to its end included, in seconds.
        attempt_timeout: the limit of each attempt, in seconds, and of a stream to its end; by default
            120 s, and the same as ``timeout`` where ``first`` or ``between`` end what is silent.
        first: of a streamed answer, the limit to its first item, in seconds; None: no other than
            ``attempt_timeout``.
        between: of a streamed answer, the limit for each further item, in seconds; None: the same.
        attempts: how many in all; delays grow from 0.5 s to 60 s with full jitter, and a
            ``Retry-After`` of up to 120 s is obeyed.
        concurrency: how many calls may be in flight.
        on: which outcomes to retry; by default `worth_retrying`.
        fallback: the answer in place of an error, a function that makes it, or a `Fallback`; there
            is none by default.
        budget: the retry budget; by default one of its own, 20 % of the successes.
        breaker: by default one of its own, which opens after 5 failures of the server in a row (no
            429 among them) for 5 s, growing to 60 s.
        sync: how the timeouts treat blocking functions, see `Timeout`.
        adaptive_rate: whether to learn the rate of requests from 429s and from what the answers' header
            fields say (`RateLimiter.adaptive`), within the limits above; or one of your own, to share.

    Raises:
        ConfigurationError: for a value outside its range; for ``first`` or ``between`` beside an
            ``attempt_timeout`` that is None or a strategy of yours.
    """
    limit = _limit(attempt_timeout, timeout, first, between, sync)
    if isinstance(attempts, int) and not isinstance(attempts, bool):
        attempts = Retry(
            attempts,
            on=worth_retrying if on is None else on,
            backoff=backoff.exponential(base=0.5, cap=60.0),
            budget=RetryBudget(0.2) if isinstance(budget, Default) else budget,
        )
    whole = presets.standard(
        name, timeout=timeout, attempt_timeout=limit, attempts=attempts,
        concurrency=concurrency, fallback=fallback, sync=sync, adaptive=None,
        breaker=CircuitBreaker(on=unhealthy) if isinstance(breaker, Default) else breaker,
    )  # fmt: skip
    limits = _limits(requests_per_minute, tokens_per_minute, tokens or estimate, used or usage)
    gates: list[RateLimiter | AdaptiveRateLimiter] = []
    if limits:
        gates.append(RateLimiter(*limits, max_wait=None))
    if isinstance(adaptive_rate, AdaptiveRateLimiter):
        gates.append(adaptive_rate)
    elif _validate.flag("adaptive_rate", adaptive_rate):
        gates.append(RateLimiter.adaptive())
    if not gates:
        return whole
    layers = list(whole.strategies)
    inside = [place for place, one in enumerate(layers) if isinstance(one, Bulkhead | Retry)]
    place = max(inside, default=-1) + 1
    return Pipeline(name, *layers[:place], *gates, *layers[place:])


def _limit(
    given: Any, total: Any, first: Any, between: Any, sync: Literal["cut", "thread", "cooperative"]
) -> Timeout | AdaptiveTimeout | None:
    """Return the limit of an attempt, with those of a stream's items."""
    parts = {"first": first, "between": between}
    told = next((one for one in parts if parts[one] is not None), None)
    if isinstance(given, Default):
        seconds = total.seconds if isinstance(total, Timeout) else total
        given = ATTEMPT if told is None or seconds is None else seconds
    elif told is not None and (given is None or isinstance(given, Timeout | AdaptiveTimeout)):
        raise _validate.refuse(
            told,
            parts[told],
            f"it needs an attempt_timeout in seconds, which is {given!r}; a Timeout of your own has "
            "both itself: Timeout(300.0, first=60.0, between=30.0)",
        )
    if given is None or isinstance(given, Timeout | AdaptiveTimeout):
        return given
    return Timeout(given, first=first, between=between, sync=sync)


def _limits(
    requests: float | None,
    tokens: float | None,
    estimated: Callable[..., float],
    used: Callable[[Any], float | None],
) -> list[Rate]:
    limits = [] if requests is None else [Rate(requests, per=60.0)]
    if tokens is not None:
        limits.append(Rate(tokens, per=60.0, cost=estimated, actual=used))
    return limits


def worth_retrying(error: Exception) -> bool:
    """Return whether another attempt may succeed: the default ``on`` of `llm`'s retry.

    What is `transient`, and 409 and everything from 500 on; not what the server says is not worth it
    (``x-should-retry: false``), nor a quota that is used up.  What an error wraps is asked, too, and a
    group is worth it if all that is in it are.
    """
    if isinstance(error, BaseExceptionGroup):
        parts = leaves(error)
        return parts != [] and all(
            isinstance(one, Exception) and worth_retrying(one) for one in parts
        )
    verdict, told = judge(error), list(within(error))
    if verdict.kind is REJECTED or any(map(exhausted, told)):
        return False
    asked = (header(headers_of(one), "x-should-retry") for one in told)
    said = next((one for one in asked if one in ("true", "false")), None)
    if said is not None:
        return said == "true"
    status = verdict.status or 0
    return verdict.repeat or status == CONFLICT or status >= SERVER_ERRORS


def exhausted(error: BaseException) -> bool:
    """Return whether a quota is used up, so that no attempt succeeds before somebody has paid."""
    return getattr(error, "code", None) == EXHAUSTED


def estimate(*args: Any, **kwargs: Any) -> float:
    """Return about how many tokens a call will take, from its arguments.

    A token for four letters of all texts in them, lists of messages included, a thousand for a
    picture, and what ``max_tokens``
    or its newer names allow for the answer.  Rough on purpose: `usage` corrects it.
    """
    limits = (kwargs.get(one) for one in LIMITS_OF_ANSWERS)
    answer = next((one for one in limits if isinstance(one, int)), 0)
    return max(1.0, (_letters(args) + _letters(kwargs)) / LETTERS_PER_TOKEN + answer)


LIMITS_OF_ANSWERS: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens")


def _letters(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        if value.get("type") in PICTURES:
            return PICTURE
        return sum(map(_letters, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_letters, value))
    return 0


def usage(result: Any) -> float | None:
    """Return the tokens that an answer says it took; None where it doesn't say.

    Knows the ``usage`` of OpenAI's and Anthropic's answers, as objects and as JSON, and that of the last
    items of streams, or what these hold: a ``response`` (OpenAI), a ``message`` (Anthropic).
    """
    if _part(result, "type") == "message_start":
        return None  # the answer is still to come
    wholes = (result, _part(result, "response"), _part(result, "message"))
    told = next((one for one in (_part(whole, "usage") for whole in wholes) if one), None)
    total = _part(told, "total_tokens")
    if isinstance(total, int | float):
        return float(total)
    parts = [_part(told, one) for one in PARTS_OF_USAGE]
    counted = [one for one in parts if isinstance(one, int | float)]
    return float(sum(counted)) if counted else None


PARTS_OF_USAGE: Final = (
    "input_tokens", "output_tokens", "cache_creation_input_tokens", "prompt_tokens",
    "completion_tokens",
)  # fmt: skip


def _part(holder: Any, name: str) -> Any:
    if isinstance(holder, Mapping):
        return holder.get(name)
    return getattr(holder, name, None)


def client_timeout(
    seconds: float | timedelta = 120.0, *, connect: float | timedelta = CONNECT
) -> Any:
    """Return a ``Timeout`` for the client: ``connect`` seconds for a connection.

    ``OpenAI(timeout=client_timeout(), max_retries=0)``: of ``httpx2`` where the installed SDK of OpenAI
    or Anthropic is built on it, as they are since 2026, and else of ``httpx``.  ``seconds`` is the
    longest silence of the server, for the threads of calls that the pipeline has given up on.
    """
    from importlib import import_module

    return import_module(_library()).Timeout(
        _validate.seconds("seconds", seconds), connect=_validate.seconds("connect", connect)
    )


SDKS: Final = ("anthropic", "openai")


def _library() -> str:
    """Return what the installed SDKs are built on: a client refuses the timeout of the other."""
    from importlib.metadata import PackageNotFoundError, requires

    for sdk in SDKS:
        with suppress(PackageNotFoundError):
            if any(line.startswith("httpx2") for line in requires(sdk) or ()):
                return "httpx2"
    return "httpx"
