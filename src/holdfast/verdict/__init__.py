"""One verdict about each failure, for everything in Holdfast that asks: what is it, and what follows.

`judge` takes an exception, or a result such as a response, and returns a `Judgement`: its `Kind`, which
says whether another attempt makes sense (for any request, or for one that may be sent twice) and
whether it speaks against the dependency, the HTTP status if there is one, and when to come back.

Nothing here imports a client: classes are known by name (`table`), codes by their standards (`codes`).
`docs/reference/what-is-transient.md` shows both, and is generated from them.
"""

from holdfast.verdict.chain import causes, leaves
from holdfast.verdict.hints import Extractor, hint, register
from holdfast.verdict.judging import Judgement, control_flow, judge, kind_of
from holdfast.verdict.kinds import (
    CONTROL_FLOW,
    FAILED,
    FINE,
    KINDS,
    NEVER_SENT,
    NOT_NOW,
    PERMANENT,
    POOL_EXHAUSTED,
    REJECTED,
    THROTTLED,
    TIMEOUT,
    TRANSIENT,
    Kind,
)
from holdfast.verdict.reading import status_of
from holdfast.verdict.refusals import refusal_in

__all__ = [
    "CONTROL_FLOW",
    "FAILED",
    "FINE",
    "KINDS",
    "NEVER_SENT",
    "NOT_NOW",
    "PERMANENT",
    "POOL_EXHAUSTED",
    "REJECTED",
    "THROTTLED",
    "TIMEOUT",
    "TRANSIENT",
    "Extractor",
    "Judgement",
    "Kind",
    "causes",
    "control_flow",
    "hint",
    "judge",
    "kind_of",
    "leaves",
    "refusal_in",
    "register",
    "status_of",
]
