"""How messages, notes, snapshots and events of ours show an exception: without secrets.

An exception's words may hold what nobody wants in a log: URLs with their queries, headers, the arguments
of an SQL statement, the body of an answer.  So its class and its HTTP status are shown always, and of
its words the first line, with such parts cut out.  The exception itself is the user's, and stays as it
is.
"""

from __future__ import annotations

import re
from functools import cache
from re import Pattern
from typing import Final

from holdfast.verdict import status_of

LONGEST: Final = 300
PLAIN: Final = (str, int, float, type(None))
CUT: Final = "…"


@cache
def _rules() -> tuple[tuple[Pattern[str], str], ...]:
    """Return what is cut, and what stands for it; made when it is first needed."""
    any_case = re.IGNORECASE
    return (
        (re.compile(r"\n.*", re.DOTALL), ""),  # details, statements, parameters
        (re.compile(r"\[(SQL|parameters): .*"), rf"[\1: {CUT}]"),
        (re.compile(r"(?<=://)[^/@\s'\"]+@"), f"{CUT}@"),  # a name and password in a URL
        (re.compile(r"(?<=[\w/.~-])\?[^\s'\"<>)\]]+"), f"?{CUT}"),  # its query
        (re.compile(r"#[^\s'\"<>)\]]*=[^\s'\"<>)\]]*"), f"#{CUT}"),  # and fragment
        (re.compile(r"[{\[](?=\s*['\"]).*[}\]]"), f"{{{CUT}}}"),  # JSON, and what looks like it
        (re.compile(r"\b((?:proxy-)?authorization|(?:set-)?cookie|x-api-key)(['\"]?\s*[=:]\s*).*",
                    any_case), rf"\1\2{CUT}"),
        (re.compile(r"\b(Bearer|Basic|Digest|Token)\s+[\w.~+/=-]{6,}", any_case), rf"\1 {CUT}"),
        (re.compile(r"\b([\w-]*(?:password|passwd|pwd|secret|token|signature|accountkey|accesskey|sessionid))(['\"]?\s*[=:]\s*)[^\s,;)]+",
                    any_case), rf"\1\2{CUT}"),
        (re.compile(r"(api[-_ ]?key)([^:=]{0,20}[:=]\s*)\S+", any_case), rf"\1\2{CUT}"),
        (re.compile(r"\b(sk|pk|rk|ghp|gho|xox[abp])([-_])[\w*-]{8,}"), rf"\1\2{CUT}"),  # by their looks
    )  # fmt: skip


def scrubbed(words: str) -> str:
    """Return the first line of ``words`` with all that may be secret cut out."""
    for pattern, instead in _rules():
        words = pattern.sub(instead, words)
    return words


def shown(error: BaseException) -> str:
    """Return an exception as a message shows it: ``ConnectError: connection refused``."""
    words = said(error)
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def quoted(error: BaseException) -> str:
    """Return an exception as a ``repr`` of ours shows it: ``ConnectError('connection refused')``.

    That is its own ``repr``, where nothing in it is to be cut, and it tells as much as its words.
    """
    try:
        words, own = str(error), repr(error)
    except Exception:  # noqa: BLE001 - an exception class may forbid anything
        return type(error).__name__
    told = said(error)
    plain = error.args and all(isinstance(one, PLAIN) for one in error.args)
    if plain and told == words and scrubbed(own) == own:
        return own
    return f"{type(error).__name__}({told!r})" if told else f"{type(error).__name__}()"


def said(error: BaseException) -> str:
    """Return the words of an exception, scrubbed, and its HTTP status if they don't tell it."""
    try:
        words = scrubbed(str(error))
    except Exception:  # noqa: BLE001 - an exception class may forbid anything
        words = ""
    if len(words) > LONGEST:
        words = words[:LONGEST] + CUT
    status = status_of(error)
    if status is None or str(status) in words:
        return words
    return f"{words} (status {status})" if words else f"status {status}"
