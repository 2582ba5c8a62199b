"""The view in a terminal: both runs as they go, and the table of bars at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from holdfast.demo.bars import Bar
from holdfast.demo.glance import TITLES, course, rows, sparkline
from holdfast.demo.measure import Run
from holdfast.demo.settings import SHARE_OF_PAYMENTS, Settings
from holdfast.demo.story import Progress
from holdfast.demo.tables import PHASES, header, services, verdicts, whereabouts

BLOCK = 0.5  # seconds of the story per block of a sparkline
WIDE = 100  # a terminal of so many columns has room: a block takes two of them
NARROW = 78  # and one of fewer has none for all columns
PAGES: Final = {"/pay": "payments", "/notify": "notifications"}


class Terminal:
    """Redraws itself in place; what is printed at the end stays."""

    def __init__(self, settings: Settings, out: TextIO) -> None:
        self._settings = settings
        self._console = Console(file=out, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._wide = self._console.width >= WIDE
        self._narrow = self._console.width < NARROW
        self._columns = 2 if self._wide else 1
        self._courses: dict[tuple[str, bool], Text] = {}

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.__exit__(None, None, None)

    def update(self, progress: Progress) -> None:
        """Redraw."""
        for page in PAGES:
            self._courses[page, progress.protected] = self._course(progress, page)
        table = services(rows(progress), wide=self._wide, narrow=self._narrow)
        current = (whereabouts(progress), table)
        self._live.update(self._screen(*current, self._history()), refresh=True)

    def ended(self, run: Run) -> None:
        """Nothing to add: the run's course stays on the screen."""

    def verdicts(self, bars: Sequence[Bar]) -> None:
        """Both courses, and the table of bars."""
        self._console.print(self._screen(self._history(), verdicts(bars, wide=self._wide), ""))

    def note(self, text: str) -> None:
        """A remark."""
        self._console.print(f"  {text}", soft_wrap=True)

    def _screen(self, *parts: RenderableType) -> Padding:
        spaced = [line for part in (header(self._settings), *parts) for line in (part, Text())]
        return Padding(Group(*spaced[:-1]), (1, 1, 0, 2))

    def _history(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        what, phases = "done per second", "calm, payments hang, recovered"
        table.add_row(Text(what, style="dim"), Text(phases, style="dim"))
        for page, title in PAGES.items():
            for protected in (False, True):
                line = self._courses.get((page, protected), "")
                table.add_row(f"{title}, {TITLES[protected]}", line)
        return table

    def _course(self, progress: Progress, page: str) -> Text:
        width = self._settings.real(BLOCK)
        top = 1.5 * self._settings.rate * SHARE_OF_PAYMENTS
        text = Text(sparkline(course(progress, width, page), top, columns=self._columns))
        for phase in self._settings.phases:
            start, end = (
                round(self._columns * instant / width) for instant in (phase.start, phase.end)
            )
            text.stylize(PHASES[phase.name], start, end)
        return text
