"""Results as text for the terminal, as markdown for the documentation, and as JSON."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.overhead.text import aligned, markdown
from benchmarks.scenarios import ours
from benchmarks.scenarios.candidates import CANDIDATES
from benchmarks.scenarios.experiment import OURS, Experiment, Results, values
from benchmarks.scenarios.verdicts import Verdict, judged

Table = Callable[[Sequence[str], Sequence[Sequence[str]], str], str]
HEADER = ("experiment", "setting", "figure", "holdfast", "bar", "bar met?", "best peer")


@dataclass(frozen=True, slots=True)
class Played:
    """An experiment and its results."""

    experiment: Experiment
    results: Results

    @property
    def title(self) -> str:
        """The number and the title."""
        return f"{self.experiment.number}. {self.experiment.title}"

    @property
    def image(self) -> str:
        """The file name of its plot."""
        return f"{self.experiment.number}.svg"

    def verdicts(self) -> list[Verdict]:
        """Return the verdicts on its bars."""
        return judged(self.experiment, self.results)


def table(played: Played, render: Table) -> str:
    """Return a row for each setting and policy, with the bars of ours."""
    experiment, verdicts = played.experiment, played.verdicts()
    header = ("setting", "policy", *(one.title for one in experiment.figures), "bar", "bar met?")
    rows, previous = [], ""
    for (setting, policy), outcomes in played.results.items():
        bars = [one for one in verdicts if (one.bar.setting, one.bar.policy) == (setting, policy)]
        spreads = [
            one.spread(found) if (found := values(outcomes, one.key)) else ""
            for one in experiment.figures
        ]
        limits = ", ".join(f"{one.figure.title} {one.limit}" for one in bars)
        missed = ", ".join(one.figure.title for one in bars if not one.met)
        word = "" if not bars else f"NO: {missed}" if missed else "yes"
        rows.append(("" if setting == previous else setting, policy, *spreads, limits, word))
        previous = setting
    return render(header, rows, "")


def summary(all_played: Sequence[Played], render: Table) -> str:
    """Return a row for each bar."""
    rows = [
        (
            played.title,
            verdict.bar.setting,
            verdict.figure.title + (" (worst)" if verdict.bar.of == "worst" else ""),
            verdict.spread,
            verdict.limit,
            verdict.word,
            verdict.peer,
        )
        for played in all_played
        for verdict in played.verdicts()
    ]
    return render(HEADER, rows, "")


def count(all_played: Sequence[Played]) -> str:
    """Return how many bars are met."""
    verdicts = [verdict for played in all_played for verdict in played.verdicts()]
    return f"{sum(one.met for one in verdicts)} of {len(verdicts)} bars are met."


def text(played: Played) -> str:
    """Return one experiment for a terminal."""
    notes = "".join(f"\n  {note}" for note in played.experiment.notes)
    return f"{played.title}\n{'=' * len(played.title)}\n{table(played, aligned)}{notes}\n"


def page(all_played: Sequence[Played], seeds: int) -> str:
    """Return the results for the documentation, in sections; they tell neither machine nor day."""
    sections = {
        "bars": f"{count(all_played)} Figures are medians of {seeds} seeds.\n\n{overview(all_played)}",
        "missed": missed(all_played),
        "configuration": f"```text\n{ours.described()}\n```",
        "policies": _policies(all_played),
    }
    for played in all_played:
        one = played.experiment
        sections[f"story-{one.number}"] = one.story
        sections[f"figures-{one.number}"] = "\n\n".join((table(played, markdown), *one.notes))
    return "\n\n".join(_section(name, text) for name, text in sections.items()) + "\n"


def overview(all_played: Sequence[Played]) -> str:
    """Return a row for each experiment: how many of its bars are met."""
    rows = []
    for played in all_played:
        verdicts = played.verdicts()
        met = sum(one.met for one in verdicts)
        rows.append(
            (played.title, f"{met} of {len(verdicts)}", "yes" if met == len(verdicts) else "NO")
        )
    return markdown(("experiment", "bars met", "all of them?"), rows)


def missed(all_played: Sequence[Played]) -> str:
    """Return a row for each bar that is missed."""
    rows = [
        (played.title, _where(one), one.figure.title, one.spread, one.limit, one.word, one.peer)
        for played in all_played
        for one in played.verdicts()
        if not one.met
    ]
    return markdown(HEADER, rows) if rows else "None is missed."


def _where(verdict: Verdict) -> str:
    """Return the setting, and which of our strategies it is where not the one configuration."""
    setting, policy = verdict.bar.setting, verdict.bar.policy
    return setting if policy == OURS else f"{setting}: {policy.removeprefix(f'{OURS}, ')}"


def _section(name: str, text: str) -> str:
    """Return the text between the marks by which a page takes it."""
    return f"<!-- --8<-- [start:{name}] -->\n{text}\n<!-- --8<-- [end:{name}] -->"


def document(all_played: Sequence[Played], seeds: int) -> str:
    """Return everything for machines; what never happened is null."""
    experiments = {
        played.experiment.number: {
            "title": played.experiment.title,
            "rows": [
                {
                    "setting": setting,
                    "policy": policy,
                    "figures": [
                        {key: _number(value) for key, value in one.figures.items()}
                        for one in outcomes
                    ],
                }
                for (setting, policy), outcomes in played.results.items()
            ],
            "bars": [
                {
                    "setting": verdict.bar.setting,
                    "policy": verdict.bar.policy,
                    "figure": verdict.bar.figure,
                    "of": verdict.bar.of,
                    "limit": verdict.bar.limit,
                    "at_least": verdict.figure.least,
                    "ours": _number(verdict.ours),
                    "met": verdict.met,
                    "best_peer": verdict.best_peer or None,
                    "best": _number(verdict.best),
                }
                for verdict in played.verdicts()
            ],
        }
        for played in all_played
    }
    whole = {"seeds": seeds, "versions": versions(all_played), "experiments": experiments}
    return json.dumps(whole, indent=1) + "\n"


def versions(all_played: Sequence[Played]) -> dict[str, str]:
    """Return the peers' packages and their versions."""
    names = {policy: None for played in all_played for _, policy in played.results}
    found = [CANDIDATES[name].versions for name in names if name in CANDIDATES]
    pairs = [pair.rsplit(" ", 1) for line in found for pair in line.split(", ") if pair]
    return dict(sorted((package, number) for package, number in pairs))


def _policies(all_played: Sequence[Played]) -> str:
    names = {policy: None for played in all_played for _, policy in played.results}
    shown = [CANDIDATES[name] for name in names if name in CANDIDATES]
    shown.sort(key=lambda one: one.name != OURS)
    rows = [(one.name, one.what, one.versions) for one in shown]
    return markdown(("policy", "what it is", "packages"), rows)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
