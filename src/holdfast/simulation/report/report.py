"""The report: one HTML file with everything in it, that needs no network to be read."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import holdfast
from holdfast._report.page import page
from holdfast.simulation.report.sections import failures, maps, medians, phases, plots
from holdfast.simulation.report.wording import LONG, NEVER, UNSEEN
from holdfast.simulation.runs.compare import Comparison
from holdfast.simulation.runs.results import STEADY, WINDOW
from holdfast.simulation.runs.sweep import AFTER, Sweep
from holdfast.simulation.scenario.scenario import Scenario
from holdfast.simulation.scenario.settings import settings

SAME = (
    "Every policy gets the same users at the same instants with the same work: the differences are the"
    " policies’ own. Time is virtual, the policies are the real ones."
)
RECOVERY = (
    f"A policy has recovered at the first second after the fault from which every window of {WINDOW} s"
    f" has at least 99 % of its users served, for {STEADY} s; “{NEVER}”: not within the run;"
    f" “{UNSEEN}”: not within a run that ends less than {LONG:g} s after the fault."
)
COUNTS = (
    "Failed users are counted from the beginning of the fault to the end of the run, and count when"
    " they came. Goodput counts users when they are served. Attempts per user are those in the fault,"
    " where nothing else is said. Failed after is the mean time until those who were not served were"
    " told so; who never was doesn’t count."
)
PRECISION = "Latency is that of users who were served, known within 1 %."
FOLLOWED = f"Each cell is followed for at least {AFTER:g} s after the fault."


def html(comparison: Comparison, *, command: str = "") -> str:
    """Return the report as an HTML document; equal comparisons give equal bytes.

    Args:
        comparison: what to tell.
        command: what makes it again, for the footer; by default the plain command.
    """
    scenario = comparison.scenario
    body = "\n".join(
        (
            heading(scenario),
            medians(comparison),
            *plots(comparison),
            phases(comparison),
            failures(comparison),
            setup(scenario),
            remarks(SAME, RECOVERY, COUNTS, PRECISION),
            footer(command or _command(comparison), comparison.seeds),
        )
    )
    return page(f"{scenario.title or scenario.name} – Holdfast simulation", body)


def html_of_sweep(sweep: Sweep, *, command: str = "") -> str:
    """Return the report of a sweep; see `html`."""
    scenario = sweep.scenario
    body = "\n".join(
        (
            heading(scenario),
            *maps(sweep),
            setup(scenario),
            remarks(SAME, RECOVERY, FOLLOWED),
            footer(command or f"holdfast simulate {scenario.name} --sweep ...", sweep.seeds),
        )
    )
    return page(f"{scenario.title or scenario.name} – Holdfast sweep", body)


def heading(scenario: Scenario) -> str:
    """Return name, title and story."""
    story = (part for part in scenario.story.split("\n\n") if part.strip())
    return (
        f'<p class="eyebrow">Holdfast simulation <b>{escape(scenario.name)}</b></p>'
        f"<h1>{escape(scenario.title or scenario.name)}</h1>"
        + "".join(f'<p class="lead">{escape(part.strip())}</p>' for part in story)
    )


def setup(scenario: Scenario) -> str:
    """Return the settings of the scenario."""
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(value)}</td></tr>"
        for name, value in settings(scenario)
    )
    return f'<h2>The scenario</h2><table class="setup">{rows}</table>'


def remarks(*lines: str) -> str:
    """Return how to read it."""
    return f"<h2>How to read it</h2><ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>"


def footer(command: str, seeds: Iterable[int]) -> str:
    """Return how to make it again."""
    numbers = ", ".join(map(str, seeds))
    return (
        f"<footer>Made by Holdfast {holdfast.__version__} with <code>{escape(command)}</code>;"
        f" seeds {numbers}. Equal seeds give an equal report, to the byte.</footer>"
    )


def _command(comparison: Comparison) -> str:
    policies = ",".join(played.policy for played in comparison.played)
    seeds = len(comparison.seeds)
    return f"holdfast simulate {comparison.scenario.name} --compare {policies} --seeds {seeds}"
