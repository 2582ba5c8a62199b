"""`transient`: failures that are likely to pass by themselves, in the libraries people use.

What that is, `holdfast.verdict` knows, once for everything here; its table is the page "What is
transient".  `unhealthy` is its other question: does a failure speak against the dependency?
"""

from __future__ import annotations

from typing import Final

from holdfast.classify import Condition
from holdfast.verdict import kind_of
from holdfast.verdict.codes import AWS, GRPC, HTTP

STATUSES: Final = frozenset(HTTP)
"""HTTP statuses after which another try may succeed."""

GRPC_CODES: Final = frozenset(code for code, kind in GRPC.items() if kind.repeat)
AWS_CODES: Final = frozenset(code for code, kind in AWS.items() if kind.repeat)


def is_transient(error: Exception) -> bool:
    """Return whether ``error`` is likely to pass by itself."""
    return kind_of(error).repeat


def is_unhealthy(error: Exception) -> bool:
    """Return whether ``error`` speaks against the dependency: what a breaker should count.

    Connection errors, timeouts, and the server's own failures (500, 502, 503, 504, 520 to 524, 529);
    not 4xx (429 included), nor a deadlock, nor a connection pool of our own that was exhausted.
    """
    return kind_of(error).counts


transient: Condition = Condition(on_errors=(is_transient,), name="transient")
"""Met by connection errors, timeouts and the like; see the module's docstring."""

unhealthy: Condition = Condition(on_errors=(is_unhealthy,), name="unhealthy")
"""Met by what speaks against the dependency; see `is_unhealthy`."""
