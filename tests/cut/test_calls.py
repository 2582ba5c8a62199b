"""What a frame calls: read off its bytecode, on each Python."""

import ast
import dis
import subprocess
import sys
import textwrap
from pathlib import Path
from types import CodeType

import pytest

from holdfast._runtimes.cutting.calls import UNKNOWN, calls, is_passed
from holdfast._runtimes.cutting.places import called

CALLEES = {
    "f(1)": "f",
    "a.b.recv(1)": "a.b.recv",
    "a.recv(b.c, d(1), n=2)": "a.recv",
    "a.recv(b if c else d)": "a.recv",
    "a.recv(b or c and d)": "a.recv",
    "a.recv(sum([x.y(1) for x in z]))": "a.recv",
    "a.recv(max(x for x in z), key=lambda x: x.y(1))": "a.recv",
    "a.recv(*b, **c)": "a.recv",
    "a.recv(1 < b < 3)": "a.recv",
    "a.recv(f'{b!r:>{c}}')": "a.recv",
    "(a\n .b\n .recv(\n  1))": "a.b.recv",
    "(a := b.c).recv(1)": "b.c.recv",
    "make(1).recv(1)": "make(...).recv",
    "a.b[0].recv(1)": "a.b[...].recv",
    "a[0](1)": "a[...]",
    "(a or b).recv(1)": "(...).recv",
    "(a if b else c)(1)": "(...)",
    "(a + b).recv(1)": "(...).recv",
    "super().recv(1)": "super(...).recv",
    "(lambda: 1)()": "(...)",
}
FUNCTION = "def function(self, a, b, c, d, z):\n    result = (\n{}\n    )\n    return result"


def outermost(expression):
    """Return the last call that a function with this expression makes."""
    source = FUNCTION.format(textwrap.indent(expression, "    "))
    space = {}
    exec(f"class It:\n{textwrap.indent(source, '    ')}", space)
    return list(calls(space["It"].function.__code__).values())[-1]


@pytest.mark.parametrize("expression", CALLEES)
def test_a_call_is_named(expression):
    """Whatever its arguments are, and on however many lines; what has no name gets none."""
    assert outermost(expression).callee == CALLEES[expression]


def test_arguments_are_named():
    """As far as they have names, and collections of what has."""
    assert outermost("f([a], (), b.c, d(1), 5)").arguments == (
        "[a]", "(...)", "b.c", "d(...)", "(...)",
    )  # fmt: skip


def test_calls_are_named_without_the_columns_of_the_source():
    """They take memory, so some leave them out: ``-X no_debug_ranges``."""
    code = (
        "from tests.cut.test_calls import *\n"
        "one, *_ = dis.get_instructions(outermost.__code__)\n"
        "assert one.positions is None or one.positions.col_offset is None\n"
        "assert {one: outermost(one).callee for one in CALLEES} == CALLEES"
    )
    subprocess.run([sys.executable, "-X", "no_debug_ranges", "-c", code], check=True)


def named(node):
    """Return the name that a call should have, by its source."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{named(value)}.{name}"
        case ast.Call(func=function):
            return UNKNOWN if named(function) == UNKNOWN else named(function) + UNKNOWN
        case ast.Subscript(value=value):
            return f"{named(value)}[...]"
        case ast.NamedExpr(value=value):
            return named(value)
    return UNKNOWN


def all_codes(code):
    yield code
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from all_codes(one)


LIBRARY = ("socket", "ssl", "selectors", "http.client", "smtplib", "ftplib", "urllib.request")


@pytest.mark.parametrize("module", LIBRARY)
def test_no_call_gets_another_ones_name(module):
    """Thousands of calls of the standard library are named as in their source, or not at all."""
    path = Path(__import__(module, fromlist=["*"]).__file__)
    source = path.read_text("utf-8")
    tree = ast.parse(source)
    decorators = {one for node in ast.walk(tree) for one in getattr(node, "decorator_list", ())}
    written = {
        (node.end_lineno, node.end_col_offset): named(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and node not in decorators  # what those return is called, too
    }
    right = unknown = 0
    for code in all_codes(compile(source, str(path), "exec")):
        found = calls(code)
        for one in dis.get_instructions(code):
            place = one.positions and (one.positions.end_lineno, one.positions.end_col_offset)
            if one.offset not in found or place not in written:
                continue
            name = found[one.offset].callee
            if name.startswith(UNKNOWN) and not written[place].startswith(UNKNOWN):
                unknown += 1
            elif "[" not in name and "__" not in name:  # but for mangled ones
                assert name == written[place], (path, one.positions)
                right += 1
    assert unknown < right / 10


def test_a_place_that_is_surely_passed():
    """No jump leads around it."""

    def surely(poll, one):
        poll.register(one)
        if one:
            one = 1
        poll.poll()

    def perhaps(poll, one):
        if one:
            poll.register(one)
        poll.poll()

    for function, answer in ((surely, True), (perhaps, False)):
        code = function.__code__
        places = {one.callee: at for at, one in calls(code).items()}
        assert is_passed(code, places["poll.register"], places["poll.poll"]) is answer
        assert not is_passed(code, places["poll.poll"], places["poll.register"])


class Tells:
    """Has C run Python in all kinds of calls, and tells what its caller calls meanwhile."""

    def __init__(self):
        self.told = []

    def tell(self, *_):
        self.told.append(called(sys._getframe(1)))
        return 1

    __len__ = __hash__ = __call__ = tell

    def __str__(self):
        self.told.append(called(sys._getframe(1)))
        return ""

    def __iter__(self):
        self.told.append(called(sys._getframe(1)))
        return iter(())


def call_c(tells, values, names):
    len(tells)
    str(tells)
    names.get(tells)
    values.extend(tells)
    values.sort(key=tells)
    sorted(values, key=tells)
    max(*values, key=tells)
    return values


@pytest.mark.parametrize("times", [1, 100], ids=["cold", "warm"])
def test_a_frame_tells_which_function_of_c_it_calls_just_now(times):
    """However often it has run: by then the interpreter has exchanged its instructions."""
    for _ in range(times):
        tells = Tells()
        call_c(tells, [1, 2], {})
    assert list(dict.fromkeys(tells.told)) == [
        "len", "str", "names.get", "values.extend", "values.sort", "sorted", "max",
    ]  # fmt: skip
