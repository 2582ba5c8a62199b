"""The lines of `Keyed`: who is the oldest, in how many steps; and the census for the parent."""

from holdfast.strategies.keyed.census import Census
from holdfast.strategies.keyed.shards import PARTS, Shards
from holdfast.strategies.keyed.table import SEARCH, Entry, Line, Table


def lined_up(count):
    """Return a line of entries that took their places at the instants 0, 1, 2, ..."""
    line = Line()
    entries = [Entry(number, None, 0.0) for number in range(count)]
    for number, entry in enumerate(entries):
        line.join(entry, float(number))
    return line, entries


def use(entry, now):
    """Do what a call does."""
    entry.used = now
    entry.again = True


def order(line):
    keys, entry = [], line.newer
    while entry is not line:
        keys.append(entry.key)
        entry = entry.newer
    return keys


def test_an_empty_line_has_no_oldest():
    """Nobody is there to be dropped."""
    assert Line().oldest() is None


def test_the_oldest_was_used_least_recently():
    """Whatever the places: those in front were used again, in another order."""
    line, entries = lined_up(5)
    for now, number in enumerate((2, 0, 1), start=10):
        use(entries[number], float(now))

    assert line.oldest() is entries[3]
    line.leave(entries[3])
    line.leave(entries[4])
    assert line.oldest() is entries[2]


def test_a_use_that_was_long_ago_is_older_than_a_late_place():
    """An entry that was used again may be the oldest all the same."""
    line, entries = lined_up(3)
    use(entries[0], 0.5)

    assert line.oldest() is entries[0]


def test_a_search_takes_so_many_steps_and_no_more():
    """Where more of the oldest were used again, they get a second chance, in the order of their uses."""
    line, entries = lined_up(1_000)
    for entry in entries:
        use(entry, 2_000.0 - entry.key)

    assert line.oldest() is entries[SEARCH - 1]

    sent_back = list(range(SEARCH - 2, -1, -1))
    assert order(line) == [SEARCH - 1, *range(SEARCH, 1_000), *sent_back]


def test_joining_another_line_is_leaving_the_first():
    """An entry stands in one place."""
    line, entries = lined_up(3)
    other = Line()
    other.join(entries[1], 5.0)

    assert (order(line), order(other)) == ([0, 2], [1])
    line.leave(entries[0])
    line.leave(entries[2])
    assert order(line) == []


def test_places_are_promised_before_they_are_taken():
    """Two keys that are made at once do not both take the last one."""
    table = Table(1)
    assert table.reserve("a")
    assert not table.reserve("b")

    table.promises.discard("a")
    first = table.settle(Entry("a", None, 0.0), table.calm, 0.0)
    assert table.settle(Entry("a", None, 0.0), table.calm, 0.0) is first
    assert not table.reserve("b")


def test_one_that_is_used_meanwhile_is_not_dropped():
    """Between the look and the lock."""
    table = Table(1)
    entry = table.settle(Entry("a", None, 0.0), table.calm, 0.0)
    use(entry, 1.0)

    assert not table.drop(entry, 0.0)
    assert table.drop(entry, 1.0)
    assert not table.drop(entry, 1.0)
    assert table.entries == {}


def test_the_census_counts_what_was_recent():
    """Each key once, whatever it was used; for one to two periods."""
    census = Census(60.0)
    keys = [Entry(number, None, 0.0) for number in range(3)]
    census.turn(0.0)
    for entry in keys:
        census.saw(entry)
        census.saw(entry)
    census.opened(keys[0])
    assert (census.open, census.recent) == (1, 3)

    census.turn(59.0)
    census.turn(60.0)
    census.saw(keys[0])
    assert (census.open, census.recent) == (1, 3)

    census.turn(120.0)
    assert (census.open, census.recent) == (0, 1)
    census.turn(500.0)
    assert (census.open, census.recent) == (0, 0)


def test_the_census_forgets_what_is_closed_dropped_or_forgiven():
    """In either generation."""
    census = Census(60.0)
    keys = [Entry(number, None, 0.0) for number in range(4)]
    census.turn(0.0)
    for entry in keys:
        census.opened(entry)
    census.turn(60.0)
    census.opened(keys[1])
    assert (census.open, census.recent) == (4, 4)

    census.closed(keys[0])
    census.dropped(keys[1])
    assert (census.open, census.recent) == (2, 3)
    census.forgive()
    assert (census.open, census.recent) == (0, 3)


def test_shards_are_as_one_dict():
    """Whatever is asked of them; and keys with a common step are spread as well."""
    shards, model = Shards(), {}
    for number in range(0, 64_000, 64):
        assert shards.setdefault(number, str(number)) == model.setdefault(number, str(number))
    for number in range(0, 64_000, 128):
        del shards[number], model[number]

    assert shards.setdefault(64, "another") == "64"
    assert (shards[64], shards.get(64), 64 in shards) == ("64", "64", True)
    assert (shards.get(0), shards.get(0, "none"), 0 in shards) == (None, "none", False)
    assert (sorted(shards.values()), len(shards)) == (sorted(model.values()), len(model))
    assert max(len(part) for part in shards._parts) < 2 * len(model) / PARTS


def test_a_large_table_is_kept_in_shards():
    """So that none of its dicts is ever built anew at length."""
    assert type(Table(10_000).entries) is dict
    assert type(Table(100_000).entries) is Shards
