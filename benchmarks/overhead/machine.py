"""Where and with what a run was made: interpreter, processor, versions, date."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

PEERS = (
    "tenacity",
    "stamina",
    "backoff",
    "google-api-core",
    "pybreaker",
    "circuitbreaker",
    "purgatory",
    "aiobreaker",
    "hyx",
    "pyresilience",
    "limits",
    "aiolimiter",
    "pyrate-limiter",
    "throttled-py",
    "nopanic",
    "tranq",
    "anyio",
)


def facts() -> dict[str, str]:
    """What a reader must know to place the figures."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "python": python,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": str(cores()),
    }


def versions() -> dict[str, str]:
    """Holdfast and the Python peers, as installed."""
    return {"holdfast": holdfast()} | {name: _version(name) for name in PEERS}


def holdfast() -> str:
    """Our version, also where the source tree is imported without being installed."""
    try:
        return version("holdfast")
    except PackageNotFoundError:
        return "source tree" if find_spec("holdfast") else "not installed"


def processor() -> str:
    """The processor's model, where the system tells."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
