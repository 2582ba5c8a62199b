"""How much a call matters, and that it travels down the call chain."""

import asyncio
import contextlib
import contextvars
import threading

import pytest

from holdfast import ConfigurationError, priority
from holdfast.criticality import CLASSES, RANKS, current_priority, rank_of


def test_what_nobody_set_is_the_default():
    """A call that says nothing is neither critical nor sheddable."""
    assert current_priority() == "default"


def test_the_classes_are_ordered():
    """The most important has the lowest rank."""
    assert CLASSES == ("critical", "default", "sheddable")
    assert sorted(CLASSES, key=RANKS.get) == list(CLASSES)


def test_a_class_that_a_function_chose_has_a_rank():
    """And what is none is refused, with those that exist."""
    assert [rank_of(name) for name in CLASSES] == [0, 1, 2]
    for nothing in ("urgent", None, ["critical"]):
        with pytest.raises(ConfigurationError, match=r"priority=.*'sheddable'"):
            rank_of(nothing)


@pytest.mark.parametrize("name", CLASSES)
def test_it_holds_inside_its_block(name):
    """And what was before is in force again afterwards."""
    with priority(name) as block:
        assert (current_priority(), block.name) == (name, name)

    assert current_priority() == "default"


@pytest.mark.parametrize("outer, inner", [("critical", "sheddable"), ("sheddable", "critical")])
def test_an_inner_one_overrides_an_outer_one(outer, inner):
    """In both directions: a critical page may prefetch, and a batch may take a critical lock."""
    with priority(outer):
        with priority(inner):
            assert current_priority() == inner
        assert current_priority() == outer


def test_it_is_taken_back_when_the_block_raises():
    """As any context manager is."""
    with pytest.raises(ZeroDivisionError), priority("critical"):
        raise ZeroDivisionError

    assert current_priority() == "default"


def test_one_object_can_serve_one_block_after_the_other():
    """Each time it puts back what was there before that block."""
    block = priority("sheddable")
    with priority("critical"):
        with block:
            assert current_priority() == "sheddable"
        assert current_priority() == "critical"
    with block:
        assert current_priority() == "sheddable"
    assert current_priority() == "default"


def test_it_follows_the_code_across_await_and_into_tasks():
    """A task inherits it, and what the task sets stays its own."""

    async def less_important():
        with priority("sheddable"):
            await asyncio.sleep(0)
            return current_priority()

    async def unchanged():
        await asyncio.sleep(0)
        return current_priority()

    async def main():
        with priority("critical"):
            return await asyncio.gather(less_important(), unchanged()), current_priority()

    assert asyncio.run(main()) == (["sheddable", "critical"], "critical")


def test_a_thread_has_none_unless_it_is_given_the_context():
    """Each thread sees the class of its own context."""
    seen = []
    with priority("critical"):
        context = contextvars.copy_context()
        for target in (note, lambda seen: context.run(note, seen)):
            thread = threading.Thread(target=target, args=(seen,))
            thread.start()
            thread.join()

    assert seen == ["default", "critical"]


def note(seen):
    seen.append(current_priority())


def test_a_block_that_is_left_in_another_context_leaves_that_one_alone():
    """As happens to a generator or a coroutine that is closed by somebody else."""
    block = priority("critical")
    contextvars.copy_context().run(block.__enter__)

    block.__exit__(None, None, None)

    assert current_priority() == "default"


def test_leaving_a_block_that_was_never_entered_does_nothing():
    """Nothing was set, so nothing is taken back."""
    priority("critical").__exit__(None, None, None)

    assert current_priority() == "default"


@pytest.mark.parametrize("name", ["urgent", "", None, 1, True, ["critical"]])
def test_an_unknown_class_is_refused(name):
    """At once, with those that exist."""
    with pytest.raises(ConfigurationError, match=r"name=.*'critical', 'default', 'sheddable'"):
        priority(name)


def test_it_shows_what_it_is():
    """For logs and debuggers."""
    assert repr(priority("critical")) == "priority('critical')"


# -- generators: their consumer shares the context (PEP 568 tells the same of decimal's) ------------


def seen(name, log):
    """Say in each round which class holds in the generator."""
    with priority(name):
        while True:
            log.append(current_priority())
            yield


def test_in_a_generator_it_holds_for_the_body_only():
    """What iterates over it matters as much as it did (trio 264)."""
    log = []
    rounds = seen("critical", log)
    next(rounds)
    assert current_priority() == "default"
    next(rounds)
    rounds.close()
    assert log == ["critical"] * 2
    assert current_priority() == "default"


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1)])
def test_generators_may_end_in_any_order(order):
    """None of them leaves its class behind."""
    logs = [[], [], []]
    with priority("sheddable"):
        rounds = [seen(name, log) for name, log in zip(CLASSES, logs, strict=True)]
        for one in rounds * 2:
            next(one)
        for place in order:
            rounds[place].close()
            for number, one in enumerate(rounds):
                if one.gi_frame is not None:
                    next(one)
                    assert logs[number][-1] == CLASSES[number]
            assert current_priority() == "sheddable"
    assert current_priority() == "default"
    assert [set(log) for log in logs] == [{name} for name in CLASSES]


def test_a_block_that_ends_before_a_generator_begun_in_it():
    """The generator goes on with its own, and its consumer with what is left."""
    log = []
    rounds = seen("critical", log)
    with priority("sheddable"):
        next(rounds)
        assert current_priority() == "sheddable"
    assert current_priority() == "default"
    next(rounds)
    rounds.close()
    assert log == ["critical"] * 2
    assert current_priority() == "default"


def test_an_async_generator_binds_its_body():
    """Also while that waits for something."""

    async def rounds():
        with priority("critical"):
            for _ in range(2):
                await asyncio.sleep(0)
                yield current_priority()

    async def main():
        return [(one, current_priority()) async for one in rounds()]

    assert asyncio.run(main()) == [("critical", "default")] * 2


def test_a_generator_that_is_a_block_binds_that_block():
    """``@contextmanager`` is what a generator is made a block with."""

    @contextlib.contextmanager
    def important():
        with priority("critical"):
            yield

    with important():
        assert current_priority() == "critical"
    assert current_priority() == "default"
