"""Runs all tests in two stages, and ends with one line for both.

What real time can't fail runs on all cores. What looks at the clock, at sockets or at processes (marked
`real_time`) runs afterwards, when nothing else of ours keeps the cores busy: for most of its time it
waits, so that each core has one of them.
"""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree as ET

from tools.environment import Environment

STAGES = {
    # A hundred failures are one: the core is broken, and it is told in seconds.
    "on all cores": ["-m", "not real_time", "-n", "auto", "--maxprocesses", "8", "--maxfail=100"],
    # Handed out one by one, in their order; what waits longest comes first.
    "one on each core": [
        *("-m", "real_time", "-n", "auto", "--maxprocesses", "4"),
        *("--dist", "loadgroup", "--no-loadscope-reorder"),
    ],
}
COMPLETE = (0, 1)  # pytest's exit codes of a run that came to its end, without and with failures

Outcomes = Counter[str]
"""How many tests passed, failed, were skipped, or failed as expected (xfailed)."""


def run_tests(env: Environment, args: list[str], runner: str = "python") -> int:
    """Run all tests, or what pytest makes of the arguments; return the exit code."""
    return played(env, args, runner)[0]


def played(env: Environment, args: list[str], runner: str = "python") -> tuple[int, Outcomes]:
    """Run all tests, or what pytest makes of the arguments; return the exit code and the outcomes."""
    stages = {"": args} if args else STAGES
    code, found = 0, Outcomes()
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        for stage, options in stages.items():
            if stage:
                print(f"tests, {stage}: pytest {' '.join(options)}", flush=True)
            report.unlink(missing_ok=True)
            ended = env.run([*runner.split(), "-m", "pytest", *options, f"--junitxml={report}"])
            found += outcomes(report)
            code = code or ended
            if ended not in COMPLETE:
                print("The tests were ended before their time.")
                found["failed"] = found["failed"] or 1  # what never came to be a test, too
                break
    if not args:
        skipped = found["skipped"] + found["xfailed"]
        print(f"{found['passed']} passed, {found['failed']} failed, {skipped} skipped", flush=True)
    return code, found


def outcomes(report: Path) -> Outcomes:
    """Return what became of the tests of a run, if it got so far as to write it down."""
    found = Outcomes()
    if not report.exists():
        return found
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it a moment ago
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            found["failed"] += 1
        elif skipped is None:
            found["passed"] += 1
        else:
            found["xfailed" if skipped.get("type") == "pytest.xfail" else "skipped"] += 1
    return found
