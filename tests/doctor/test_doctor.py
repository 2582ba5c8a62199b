"""What the doctor finds, here and where things are missing."""

import json
import os
import platform
import socket
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from holdfast._runtimes.cutting import elsewhere
from holdfast._runtimes.cutting.eyes import Eyes
from holdfast._world import has_gil
from holdfast.doctor import Finding, Report, Verdict, cuts, examine, place, trials
from holdfast.doctor.findings import Subject, printed
from holdfast.doctor.trials import Patient, Trial
from tests.cut.blind import namespace

pytestmark = pytest.mark.real_time

linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's account is Linux's")
by_frames = pytest.mark.skipif(not has_gil(), reason="frames are read under the GIL only")


def blind(monkeypatch, **missing):
    """Have all watchers lack the view of the kernel, or of frames."""
    made = Eyes.__init__

    def init(self, overdue):
        made(self, overdue)
        vars(self).update(missing)

    monkeypatch.setattr(Eyes, "__init__", init)


class Healthy(Patient):
    """A patient that has been through its trials already."""

    def __init__(self, **trials):
        super().__init__()
        self._trials = {"kernel": CUT, "frames": CUT, "": CUT} | trials


CUT = Trial(late={"recv": 0.003, "poll": 0.004})
LEFT = Trial(left={"recv": "it waits for a sign", "poll": "it waits for a sign"})


# -- the place -------------------------------------------------------------------------------------


def test_the_python_is_named():
    """Its version, whether it has the GIL, and in which interpreter this is."""
    found = place.python(Patient())
    assert found.ok
    assert platform.python_version() in found.says
    assert ("without" in found.says) is not has_gil()
    assert "the main interpreter" in found.says


def test_a_subinterpreter_is_named(monkeypatch):
    """There nearly everything is different."""
    known = SimpleNamespace(get_current=lambda: (3, 2), get_main=lambda: (0, 1))
    monkeypatch.setattr(elsewhere, "import_module", lambda name: known)
    assert place.python(Patient()).figures["interpreter"] == "the subinterpreter 3"


def test_the_machine_is_named():
    """As its own tools name it."""
    assert platform.machine() in place.machine(Patient()).says


@linux
@pytest.mark.parametrize("machine, known", [("x86_64", True), ("AArch64", True), ("s390x", False)])
def test_a_machine_without_a_table_is_told(monkeypatch, machine, known):
    """The numbers of the system's calls are different there."""
    monkeypatch.setattr(platform, "machine", lambda: machine)
    found = place.system_calls(Patient())
    assert found.ok is known
    assert known or found.because == "there is no table for s390x"


def test_a_watcher_that_cannot_run_is_told(monkeypatch):
    """With the reason, and what to do instead."""
    assert place.hindered(Patient()).ok
    monkeypatch.setattr(place, "hindrance", lambda: "gevent has patched the threads")
    found = place.hindered(Patient())
    assert (found.ok, found.because) == (False, "gevent has patched the threads")
    assert "what has patched them" in found.do


@linux
def test_the_account_of_the_kernel_is_there():
    """Both files of it."""
    assert place.account(Patient()).ok
    assert place.memory(Patient()).ok


@linux
def test_an_account_that_is_missing_is_told(tmp_path):
    """As where /proc isn't mounted."""
    patient = Patient(proc=str(tmp_path))
    for check in (place.account, place.memory):
        found = check(patient)
        assert not found.ok
        assert "/proc is not mounted" in found.because


@linux
def test_an_account_that_says_nothing_is_told(tmp_path):
    """An empty file is no answer."""
    folder = tmp_path / "self" / "task" / str(threading.get_native_id())
    folder.mkdir(parents=True)
    (folder / "syscall").touch()
    assert place.account(Patient(proc=str(tmp_path))).because == "it is empty"


@linux
def test_an_account_that_may_not_be_read_is_told(monkeypatch):
    """With what has most likely made it so, and the cure."""

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    found = place.account(Patient())
    assert "given up root's rights" in found.because
    assert "PR_SET_DUMPABLE" in found.do
    assert not place.memory(Patient()).ok


def test_missing_functions_of_c_are_told(monkeypatch):
    """A Python may be built without ctypes, and a system be without these functions."""
    assert place.libc(Patient()).ok
    monkeypatch.setitem(sys.modules, "holdfast._runtimes.cutting.sockets", None)
    found = place.libc(Patient())
    assert not found.ok
    assert "libffi" in found.do


@linux
def test_sockets_are_told_apart():
    """By a number that is never given twice."""
    assert place.cookie(Patient()).ok


def test_a_system_that_does_not_tell_sockets_apart_is_told(monkeypatch):
    """Linux does so since 4.12."""

    class Old(socket.socket):
        def getsockopt(self, *_):
            raise OSError(92, "Protocol not available")

    monkeypatch.setattr(place.socket, "socket", Old)
    monkeypatch.setattr(place, "LINUX", True)
    assert "Protocol not available" in place.cookie(Patient()).because


# -- the trials ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def patient():
    """This very process."""
    return Patient()


@linux
def test_calls_are_cut_by_the_kernels_account(patient):
    """Really: on loopback, in threads of their own."""
    found = cuts.by_kernel(patient)
    assert found.ok, found
    assert set(found.figures["late"]) == set(trials.WAYS)


@by_frames
def test_calls_are_cut_by_their_frames(patient):
    """The same, without the kernel."""
    found = cuts.by_frames(patient)
    assert found.ok, found


@linux
def test_calls_are_cut_as_usual(patient):
    """As in the pipelines of this process; this decides."""
    found = cuts.as_usual(patient)
    assert (found.ok, found.figures["by"]) == (True, "kernel")
    assert cuts.left_alone(patient).ok
    assert cuts.lateness(patient).figures["median"] >= 0
    assert cuts.judge({"as_usual": found}).says == "Blocking calls are cut by the kernel's account."


@by_frames
def test_without_the_kernel_the_frames_decide(monkeypatch):
    """As where /proc is missing."""
    blind(monkeypatch, _kernel=None)
    patient = Patient()
    found = cuts.as_usual(patient)
    assert not cuts.by_kernel(patient).ok
    assert (found.ok, found.figures["by"]) == (True, "frames")
    assert cuts.judge({"as_usual": found}).says == "Blocking calls are cut by their frames."


def test_without_either_calls_are_only_told(monkeypatch):
    """And end when their peer hangs up; nothing is left behind."""
    blind(monkeypatch, _kernel=None, _by_frames=None)
    monkeypatch.setattr(trials, "PATIENCE", 0.1)
    before = threading.active_count()
    found = cuts.as_usual(Patient())
    assert (found.ok, found.figures["by"]) == (False, None)
    assert found.because == "the kernel does not say what it waits for"
    verdict = cuts.judge({"as_usual": found, "watcher": place.hindered(Patient())})
    assert (verdict.ok, verdict.says) == (False, "Blocking calls are not cut here, only told.")
    assert threading.active_count() <= before


def test_where_no_watcher_runs_nothing_is_tried(monkeypatch):
    """Nor told, at that."""
    for module in (trials, place):
        monkeypatch.setattr(module, "hindrance", lambda: "greenlets")
    patient = Patient()
    found = {one.name: one for one in (cuts.as_usual(patient), place.hindered(patient))}
    assert found["as_usual"].because == "greenlets"
    assert "not told either" in cuts.judge(found).says


def test_a_machine_without_loopback_is_told(monkeypatch):
    """It isn't known then what would be cut."""

    def refuse(*_, **__):
        raise OSError(99, "Cannot assign requested address")

    monkeypatch.setattr(socket, "create_server", refuse)
    examined = cuts.BLOCKING_CALLS.examined(Patient())
    assert not examined.verdict.ok
    assert "could not be tried" in examined.verdict.says


def test_a_listener_that_was_shut_down_is_told():
    """It would be the end of a service."""
    found = cuts.left_alone(Healthy(**{"": Trial(listener="it ended with OSError()")}))
    assert not found.ok
    assert "cooperative" in found.do


@pytest.mark.parametrize("worst, ok", [(0.01, True), (0.3, False)])
def test_late_cuts_are_told(worst, ok):
    """A busy machine, or a GIL that is held, has them."""
    found = cuts.lateness(Healthy(**{"": Trial(late={"a": 0.001, "b": 0.002, "c": worst})}))
    assert (found.ok, found.figures) == (ok, {"median": 0.002, "worst": worst})


def test_what_was_never_cut_was_never_late():
    """There is nothing to measure."""
    assert not cuts.lateness(Healthy(**{"": LEFT})).ok


def test_the_reasons_are_given_once():
    """However many calls share them."""
    found = cuts.by_kernel(Healthy(kernel=LEFT))
    assert found.line() == (
        "no  by the kernel's account: recv and poll are not cut, because it waits for a sign"
    )


def test_the_cost_is_measured():
    """In microseconds, as it is little."""
    found = cuts.cost(Patient())
    assert 0 < found.figures["bare"] < found.figures["watched"] < 0.001


# -- the report ------------------------------------------------------------------------------------


def subject(*checks, ok=True):
    return Subject("something", checks, lambda found: Verdict(ok=ok, by=None, says="It is so."))


def well(patient):
    return Finding("well", ok=True, says="all is well")


def ill(patient):
    return Finding("ill", ok=False, says="it hurts", because="of the weather", do="stay inside")


def broken(patient):
    raise OSError("no such thing")


def test_a_report_is_told_in_lines():
    """A line for each finding, and what they come to."""
    report = Report((subject(well, ill, broken).examined(None),))
    assert report.lines() == [
        "ok  all is well",
        "no  it hurts, because of the weather: stay inside",
        "no  broken: the check has failed, because OSError('no such thing')",
        "",
        "It is so.",
    ]


@pytest.mark.parametrize("ok, code", [(True, 0), (False, 1)])
def test_the_verdict_decides_about_the_exit_code(capsys, ok, code):
    """What isn't well may not matter."""
    report = Report((subject(well).examined(None), subject(ill, ok=ok).examined(None)))
    assert printed(report, as_json=True) == code
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is ok
    assert [one["name"] for one in told["subjects"][1]["findings"]] == ["ill"]


def test_every_finding_has_a_name_of_its_own():
    """Machines ask for it, and the verdict, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuts, "CALLS", 10)
        patch.setattr("holdfast.doctor.Patient", Healthy)
        report = examine()
    names = [one.name for one in report.findings]
    assert len(set(names)) == len(names) == len(cuts.BLOCKING_CALLS.checks)


# -- the command -----------------------------------------------------------------------------------


def run(*command, code=None, within=()):
    start = ["-c", code] if code else ["-m", *command]
    return subprocess.run(
        [*within, sys.executable, *start], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("command", [("holdfast.doctor",), ("holdfast.cli", "doctor")])
def test_the_command_tells_people(command):
    """By its own module, which needs no extra, and among the others."""
    done = run(*command)
    lines = done.stdout.splitlines()
    assert done.stderr == ""
    assert done.returncode == (0 if "are cut by" in lines[-1] else 1)
    assert all(line.startswith(("ok  ", "no  ")) for line in lines[:-2])


@pytest.mark.parametrize("command", [("holdfast.doctor",), ("holdfast.cli", "doctor")])
def test_the_command_tells_machines(command):
    """The same as JSON."""
    done = run(*command, "--json")
    told = json.loads(done.stdout)
    assert done.returncode == (0 if told["ok"] else 1)
    (calls,) = told["subjects"]
    assert calls["verdict"]["ok"] is told["ok"]


def test_without_ctypes_nothing_is_cut():
    """The exit code says so, and the line how to mend it."""
    done = run(
        code="import sys; sys.modules['ctypes'] = None; sys.argv = ['doctor']\n"
        "from holdfast.doctor import trials; trials.PATIENCE = 0.1\n"
        "from holdfast.doctor.__main__ import main; sys.exit(main())"
    )
    assert done.returncode == 1
    assert "libffi" in done.stdout
    assert done.stdout.endswith("Blocking calls are not cut here, only told.\n")


@by_frames
@linux
def test_without_proc_the_verdict_is_about_frames():
    """In earnest: in a namespace that has none."""
    done = run("holdfast.doctor", within=namespace("mount -t tmpfs none /proc"))
    assert done.returncode == 0, done
    assert done.stdout.endswith("Blocking calls are cut by their frames.\n")


def test_it_needs_nothing_but_the_standard_library():
    """So it runs where only Holdfast is installed."""
    done = run(code="import sys, holdfast.doctor.__main__, holdfast.doctor; print(*sys.modules)")
    before = run(code="import sys; print(*sys.modules)")
    names = {name.partition(".")[0] for name in done.stdout.split()}
    names -= {name.partition(".")[0] for name in before.stdout.split()}
    assert names - sys.stdlib_module_names == {"holdfast"}
