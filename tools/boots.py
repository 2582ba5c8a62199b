"""All tests as on a machine that has just booted, and on one that booted long ago.

`time.monotonic()` counts from the boot nearly everywhere, so code that takes a clock for large (0.0 for
"never") or for exact (at 400 days a float shows 7 ns) fails on some machines only. A time namespace of
Linux moves the clock for one process and its children: `unshare --time`, from util-linux.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tools.environment import Environment

DAY = 86_400
AGES = {"30 s ago": 30, "400 days ago": 400 * DAY}
CLOCKS = ("monotonic", "boottime")
OFFSETS = Path("/proc/self/timens_offsets")


def booted(env: Environment, args: list[str]) -> int:
    """Run the tests once for each of the `AGES`; return 0 if all of them passed."""
    if reason := impossible():
        print(f"The clock cannot be moved here: {reason}", file=sys.stderr)
        return 2
    results = {}
    for name, age in AGES.items():
        print(f"\n=== booted {name}", flush=True)
        tests = [str(env.bin / "python"), "-m", "pytest", *args]
        results[name] = subprocess.run(moved(age, tests), env=env.variables, check=False).returncode
    print()
    for name, code in results.items():
        print(f"  {'FAILED' if code else 'ok':7}booted {name}")
    return int(any(results.values()))


def impossible() -> str:
    """Return why there are no time namespaces here, nothing if there are."""
    if not OFFSETS.exists():
        return "it takes Linux 5.6 or newer, with time namespaces (CONFIG_TIME_NS)."
    if shutil.which("unshare") is None:
        return "there is no `unshare`; install util-linux, 2.36 or newer."
    done = subprocess.run(moved(DAY, ["true"]), check=False, capture_output=True, text=True)
    if not done.returncode:
        return ""
    return (
        f"{done.stderr.strip()}. It takes root, or a system where users may make user namespaces."
    )


def moved(age: float, command: list[str]) -> list[str]:
    """Return the command that runs ``command`` as if the machine had booted ``age`` seconds ago."""
    offsets = [f"--{clock}={offset}" for clock, offset in offsets_for(age).items()]
    rights = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *rights, "--time", *offsets, "--fork", "--", *command]


def offsets_for(age: float) -> dict[str, int]:
    """Return by what to move each clock: in seconds, and from what it is in the outermost namespace."""
    lines = [line.split() for line in OFFSETS.read_text().splitlines()]
    inherited = {clock: int(seconds) for clock, seconds, _ in lines}
    return {
        clock: round(age - time.clock_gettime(getattr(time, f"CLOCK_{clock.upper()}")))
        + inherited.get(clock, 0)
        for clock in CLOCKS
    }
