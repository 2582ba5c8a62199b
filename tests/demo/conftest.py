"""A made-up run, for what only looks at measurements."""

import pytest

from holdfast.demo.measure import Record, Run, Sample
from holdfast.demo.settings import Settings


def requests(*, held, settings=None, step=0.05):
    """One request every `step` seconds, payments and notifications in turn; `held`: with Holdfast."""
    _, fault, healed = (settings or Settings()).phases
    records, at, page = [], 0.0, "/pay"
    while at < healed.end:
        broken = fault.start <= at < fault.end or (not held and at >= fault.end)
        if not broken:
            records.append(Record(at, page, "ok", "", 0.2 if page == "/pay" else 0.05, 0.0002))
        elif not held:
            records.append(Record(at, page, "failed", "user gave up", 2.0, 0.0002))
        elif page == "/pay":
            records.append(Record(at, page, "fallback", "CircuitOpenError", 0.002, 0.0002))
        else:
            records.append(Record(at, page, "ok", "", 0.051, 0.0002))
        at, page = at + step, "/notify" if page == "/pay" else "/pay"
    return records


@pytest.fixture(scope="session")
def make_run():
    """Make a run: with Holdfast as promised, or without it as feared; `peaks` replaces the peaks."""

    def make(*, held, settings=None, **peaks):
        settings = settings or Settings()
        _, fault, healed = settings.phases
        used = 10 if held else 32
        states = [
            (0.0, "closed"),
            (fault.start, "open"),
            (fault.end, "half-open"),
            (healed.end, "closed"),
        ]
        samples = [
            Sample(at, used, used, 3, used, 3, state if held else "") for at, state in states
        ]
        counted = {"workers": used, "payments": used, "notifications": 5}
        counted |= {"payment_sockets": used, "notification_sockets": 5} | peaks
        return Run(
            protected=held,
            phases=settings.phases,
            records=requests(held=held, settings=settings),
            samples=samples,
            peaks=counted,
        )

    return make
