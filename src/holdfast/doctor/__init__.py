"""The doctor: what of Holdfast works in this process, on this machine, and why.

``holdfast doctor`` and ``python -m holdfast.doctor`` print it; `examine` returns it.  It needs nothing
but the standard library, listens on loopback only, and takes about a second, for it tries.

==========  ==========================================================================================
`findings`  what is found: `Finding`, of a `Subject`, in a `Report`; and how it is told
`place`     where we are: Python, machine, what may be read and called
`trials`    calls that block until they are cut, or not
`cuts`      what became of those calls: the subject "blocking calls"
==========  ==========================================================================================

A new check is a function that takes a `Patient` and returns a `Finding`, in the tuple of its subject.
"""

from __future__ import annotations

from holdfast.doctor.cuts import BLOCKING_CALLS
from holdfast.doctor.findings import Finding, Report, Subject, Verdict
from holdfast.doctor.trials import Patient

__all__ = ["Finding", "Report", "Verdict", "examine"]

SUBJECTS: tuple[Subject[Patient], ...] = (BLOCKING_CALLS,)


def examine() -> Report:
    """Examine this process; blocks for about a second, or several where nothing is cut.

    Whatever is wrong is a `Finding`: nothing is raised.  Best called before the process has work to do:
    in a busy one cuts come later.
    """
    patient = Patient()
    return Report(tuple(subject.examined(patient) for subject in SUBJECTS))
