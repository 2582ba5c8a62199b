import pytest

from holdfast.demo.glance import course, milliseconds, rows, sparkline
from holdfast.demo.measure import Record
from holdfast.demo.settings import Settings
from holdfast.demo.story import Progress


@pytest.fixture
def progress():
    running = Progress(Settings(world="sync"), protected=True, at=10.0, start=1.0)
    running.records = [
        Record(9.1, "/pay", "ok", "", 0.2),
        Record(9.5, "/pay", "fallback", "CircuitOpenError", 0.002),
        Record(9.5, "/notify", "ok", "", 0.05),
        Record(9.6, "/notify", "failed", "", 0.05),
        Record(8.5, "/notify", "ok", "", 0.06),
        Record(1.0, "/notify", "ok", "", 9.0 - 1e-9),  # answered just now
        Record(1.0, "/notify", "ok", "", 0.05),  # long ago
    ]
    running.latest = {
        "shop": {"workers": 7, "breakers": {"payments": "open", "notifications": "closed"}},
        "payments": {"sockets": 3},
    }
    return running


def test_rows_tell_the_last_seconds(progress):
    """Rates are of the last second, by the instant of the answer; latencies of the last two."""
    shop, payments, notifications = rows(progress)

    assert (shop.done, shop.fallback, shop.failed) == (3.0, 1.0, 1.0)
    assert (payments.done, payments.fallback, payments.failed) == (1.0, 1.0, 0.0)
    assert (payments.p50, payments.p99) == (0.002, 0.2)
    assert notifications.p99 == pytest.approx(9.0)


def test_rows_tell_what_is_in_use(progress):
    """Threads of the shop, sockets of the services, states of the breakers; nothing known is nought."""
    shop, payments, notifications = rows(progress)

    assert shop.in_use == "7/32 threads"
    assert (payments.in_use, payments.breaker) == ("3 sockets", "open")
    assert (notifications.in_use, notifications.breaker) == ("0 sockets", "closed")


def test_before_the_first_figures_all_is_nought():
    """A view can be drawn before anything is known."""
    shop, payments, _ = rows(Progress(Settings(), protected=False))

    assert (shop.done, shop.p99, shop.in_use) == (0.0, None, "0 tasks")
    assert payments.breaker == "none"


def test_course_has_a_value_for_each_whole_step(progress):
    """The step that is not over yet is left out, and so is what comes after the story."""
    assert len(course(progress, 0.5, "/pay")) == 20
    progress.at = 1000.0
    assert len(course(progress, 0.5, "/pay")) == int(progress.settings.phases[-1].end / 0.5)


def test_course_is_of_one_page(progress):
    """Payments and notifications are drawn apart."""
    assert course(progress, 1.0, "/pay")[9] == 1.0
    assert course(progress, 1.0, "/notify")[9] == 2.0


def test_sparkline():
    """Nought is the lowest block, the top and all above it the full one."""
    assert sparkline([0, 5, 10, 99], 10) == "▁▅██"
    assert sparkline([0, 10], 10, columns=2) == "▁▁██"


def test_milliseconds():
    """Whole milliseconds, or a dash."""
    assert milliseconds(0.2) == "200 ms"
    assert milliseconds(None) == "-"
