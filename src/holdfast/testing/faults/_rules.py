"""Which behaviour is next: the server's script, and those of its routes."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from holdfast import _validate
from holdfast.testing.faults.behaviours import Behaviour, Close, Reply, Reset, Vanish
from holdfast.testing.scripted import Hang, Ok

Step = Behaviour | Ok | Hang | int | bytes | str
"""One step of a script.  A number is a status, bytes or text are the body of a 200.  Of the words of
`holdfast.testing.Scripted`, ``Ok(body, takes)`` is a 200 and ``Hang()`` is ``Vanish()``."""

Steps = Step | Iterable[Step]

STEPS = "a step must be a behaviour such as Reply(503), Reset() or Vanish(), a status, or a body"


class Script:
    """Gives one behaviour after the other, the last one for ever."""

    def __init__(self, steps: Steps) -> None:
        several = isinstance(steps, Iterable) and not isinstance(steps, bytes | str)
        self.steps: list[Behaviour] = [
            as_behaviour(step)
            for step in (steps if several else [steps])  # type: ignore[union-attr] # as above
        ]
        if not self.steps:
            raise _validate.refuse("script", steps, "it must have at least one step")
        self._number = 0
        self._left = self.steps[0].times

    def peek(self) -> Behaviour:
        """Return what is next."""
        return self.steps[self._number]

    def take(self) -> Behaviour:
        """Return what is next, and go on."""
        taken = self.peek()
        self._left -= 1
        if not self._left and self._number + 1 < len(self.steps):
            self._number += 1
            self._left = self.peek().times
        return taken


class Rules:
    """A script for all requests, and scripts for those of a route, which come first."""

    def __init__(self, steps: Steps) -> None:
        self._general = Script(steps)
        self._routes: dict[str, Script] = {}

    def set(self, steps: Steps, route: str | None = None) -> None:
        """Put a script in the place of the present one."""
        script = Script(steps)
        if route is None:
            self._general = script
            return
        if any(_at_accept(step) for step in script.steps):
            raise _validate.refuse(
                "after", "accept", f"route {route!r} is known only when the request has been read"
            )
        # a new one, for the server's thread may be going through the old one
        self._routes = {**self._routes, _checked(route): script}

    def on_connection(self) -> Behaviour | None:
        """Return the behaviour towards a new connection, if it does not depend on a request."""
        return self._general.take() if _at_accept(self._general.peek()) else None

    def on_request(self, method: str, path: str) -> Behaviour:
        """Return the behaviour towards a request."""
        for route, script in self._routes.items():
            wanted, _, pattern = route.rpartition(" ")
            if wanted in ("", method) and fnmatchcase(path, pattern):
                return script.take()
        return self._general.take()


def _checked(route: str) -> str:
    """Return a route that can fit some request."""
    method, _, pattern = _validate.text("on", route).rpartition(" ")
    if method != method.upper() or not (pattern[:1] in {"/", "*"} or "://" in pattern):
        raise _validate.refuse("on", route, "it must be like '/pay', 'POST /pay' or '/orders/*'")
    return route


def as_behaviour(step: object) -> Behaviour:
    """Return the behaviour that a step of a script means."""
    match step:
        case Behaviour():
            return step
        case Ok(value=None):
            return Reply(takes=step.takes, times=step.times)
        case Ok(value=bytes() | str()):
            return Reply(body=step.value, takes=step.takes, times=step.times)
        case Hang():
            return Vanish(times=step.times)
        case int() if not isinstance(step, bool):
            return Reply(step)
        case bytes() | str():
            return Reply(body=step)
        case _:
            raise _validate.refuse("script", step, STEPS)


def _at_accept(step: Behaviour) -> bool:
    return isinstance(step, Reset | Close | Vanish) and step.after == "accept"
