"""What is compared: a candidate builds one protected function; a section groups those alike."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.overhead.rows import Role

World = Literal["sync", "async"]
Statistic = Literal["minimum", "median"]
Maker = Callable[[], Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class Section:
    """Candidates that do the same job, and how their samples become one figure."""

    name: str
    statistic: Statistic = "minimum"
    rejects: bool = False
    one_core: bool = False

    @property
    def world(self) -> World:
        """Sections are named after their world."""
        return "async" if self.name.startswith("async") else "sync"


_LAYERS = (
    "retry",
    "breaker",
    "breaker per key",
    "bulkhead",
    "timeout",
    "adaptive timeout",
    "rate limit",
    "adaptive concurrency",
    "throttle",
    "load shedder",
    "hedge",
    "coalesce",
    "chaos, off",
    "three layers",
    "four layers",
    "standard",
)
_BY_THREAD = ("sync timeout", "sync hedge", "sync four layers")
ONE_CORE = ", on one core"
LISTENED = ", with a listener"
CUT = ", in the caller's own thread"
_SUCCEEDING = (
    Section(f"{world} {layer}", "median" if f"{world} {layer}" in _BY_THREAD else "minimum")
    for world in ("sync", "async")
    for layer in _LAYERS
)
SECTIONS = {
    section.name: section
    for section in (
        *_SUCCEEDING,
        *(Section(name + ONE_CORE, "median", one_core=True) for name in _BY_THREAD),
        Section("sync timeout" + CUT),
        Section("sync four layers" + CUT),
        Section("sync three layers" + LISTENED),
        Section("async three layers" + LISTENED),
        Section("sync rejection", rejects=True),
        Section("async rejection", rejects=True),
    )
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """``make()`` imports what it needs and returns the protected function."""

    section: Section
    name: str
    role: Role
    make: Maker


@dataclass(slots=True)
class Candidates:
    """A list to which makers are added by decoration: ``@peer("sync retry", "tenacity")``."""

    role: Role
    all: list[Candidate] = field(default_factory=list)

    def __call__(self, section: str, name: str) -> Callable[[Maker], Maker]:
        """Add the decorated maker."""

        def add(make: Maker) -> Maker:
            self.all.append(Candidate(SECTIONS[section], name, self.role, make))
            return make

        return add
