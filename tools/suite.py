"""Runs all tests in two stages, and ends with one line for both.

What real time can't fail runs on all cores. What looks at the clock, at sockets or at processes (marked
`real_time`) runs afterwards, one test at a time, when nothing else of ours keeps the cores busy.
"""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree as ET

from tools.environment import Environment

STAGES = {
    # A hundred failures are one: the core is broken, and it is told in seconds.
    "on all cores": ["-m", "not real_time", "-n", "auto", "--maxprocesses", "8", "--maxfail=100"],
    "one at a time": ["-m", "real_time"],
}
COMPLETE = (0, 1)  # pytest's exit codes of a run that came to its end, without and with failures


def run_tests(env: Environment, args: list[str], runner: str = "python") -> int:
    """Run all tests, or what pytest makes of the arguments; return the exit code."""
    pytest = [*runner.split(), "-m", "pytest"]
    if args:
        return env.run([*pytest, *args])
    code, counts = 0, Counter[str]()
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        for stage, options in STAGES.items():
            print(f"tests, {stage}: pytest {' '.join(options)}", flush=True)
            report.unlink(missing_ok=True)
            ended = env.run([*pytest, *options, f"--junitxml={report}"])
            counts += counted(report)
            code = code or ended
            if ended not in COMPLETE:
                print("The tests were ended before their time.")
                counts["failed"] = counts["failed"] or 1  # what never came to be a test, too
                break
    print("{passed} passed, {failed} failed, {skipped} skipped".format_map(counts), flush=True)
    return code


def counted(report: Path) -> Counter[str]:
    """Return what became of the tests of a run, if it got so far as to write it down."""
    counts = Counter[str]()
    if report.exists():
        for suite in ET.parse(report).iter("testsuite"):  # noqa: S314 - pytest wrote it
            tests, *others = (
                int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")
            )
            counts["passed"] += tests - sum(others)
            counts["failed"] += others[0] + others[1]
            counts["skipped"] += others[2]
    return counts
