import pytest

from holdfast.demo.measure import Record
from holdfast.demo.settings import Settings
from holdfast.demo.story import Progress

SHOP = {
    "workers": 4, "payments": 3, "notifications": 1, "workers_peak": 9, "payments_peak": 8,
    "notifications_peak": 2, "breakers": {"payments": "open"},
}  # fmt: skip


@pytest.fixture
def progress():
    return Progress(Settings(), protected=True, start=100.0)


def test_users_records_are_taken_in(progress):
    """Records come in batches, as lists out of JSON."""
    progress.hear("users", {"at": 101.0, "records": [[0.5, "/pay", "ok", "", 0.2, 0.0]]})
    progress.hear("users", {"at": 101.1, "records": [[0.1, "/notify", "ok", "", 0.05, 0.0]]})

    assert progress.records[0] == Record(0.5, "/pay", "ok", "", 0.2, 0.0)
    assert [record.at for record in progress.run().records] == [0.1, 0.5]


def test_a_sample_is_taken_with_the_shops_figures(progress):
    """The services' latest figures stand beside the shop's, at the time of the shop's."""
    progress.hear(
        "payments", {"at": 101.0, "figures": {"sockets": 5, "sockets_peak": 6, "calls": 5}}
    )
    progress.hear("shop", {"at": 101.5, "figures": SHOP})

    (sample,) = progress.run().samples
    assert sample == (1.5, 4, 3, 1, 5, 0, "open")


def test_no_sample_before_the_start():
    """While the processes start there is no time to put a sample at."""
    progress = Progress(Settings(), protected=False)
    progress.hear("shop", {"at": 101.5, "figures": {**SHOP, "breakers": {}}})

    assert progress.samples == []


def test_peaks_come_from_those_who_count(progress):
    """Tasks and threads are counted by the shop, sockets by the services."""
    progress.hear("shop", {"at": 101.5, "figures": SHOP})
    progress.hear("payments", {"at": 101.0, "figures": {"sockets": 5, "sockets_peak": 7}})
    progress.hear("notifications", {"at": 101.0, "figures": {"sockets": 1, "sockets_peak": 2}})

    assert progress.run().peaks == {
        "workers": 9, "payments": 8, "notifications": 2, "payment_sockets": 7, "notification_sockets": 2,
    }  # fmt: skip


def test_finished_when_the_users_say_so(progress):
    """The story ends with the last user's answer, not with a clock."""
    progress.hear("users", {"at": 101.0, "records": []})
    assert not progress.finished

    progress.hear("users", {"at": 102.0, "finished": True})
    assert progress.finished


@pytest.mark.parametrize(
    "at,name",
    [(-0.1, None), (0.0, "calm"), (4.0, "payments hang"), (9.2, "payments recovered"), (99, None)],
)
def test_phase(progress, at, name):
    """There is no phase during the warm-up, nor while the last users wait."""
    progress.at = at

    assert (progress.phase.name if progress.phase else None) == name
