"""Write the tables of docs/reference/what-is-transient.md anew: ``.venv/bin/python -m tools.verdicts``.

They are made from `holdfast.verdict`, so the page shows what the code does; a test compares them.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from itertools import groupby

from holdfast.verdict import KINDS, Kind, codes
from holdfast.verdict.table import TABLE
from tools.environment import ROOT

PAGE = ROOT / "docs" / "reference" / "what-is-transient.md"
MARKED = re.compile(r"(?<=<!-- table: )([a-z ]+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)
CODES: Mapping[str, Mapping[str, Kind] | Mapping[int, Kind]] = {
    "gRPC code": codes.GRPC,
    "AWS code": codes.AWS,
    "SQLSTATE": codes.SQLSTATE,
    "MySQL error": codes.MYSQL,
    "SQLite code": codes.SQLITE,
    "MongoDB code": codes.MONGO,
    "Kafka error": codes.KAFKA,
    "error in a model's stream": codes.LLM,
    "SMTP code": codes.SMTP,
}


def table(head: str, rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    columns = head.split(" | ")
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def kinds() -> str:
    """Return what follows from each kind."""
    head = "kind | means | repeated | whatever the method | counts for a breaker"
    said = {True: "yes", False: "no"}
    return table(
        head,
        (
            (f"**{one.name}**", one.about, said[one.repeat], said[one.any_method], said[one.counts])
            for one in KINDS
        ),
    )


def by_kind(meanings: Mapping[str, Kind] | Mapping[int, Kind]) -> str:
    """Return codes by what they mean: ``never sent: 08001; ...``."""
    told = [
        f"{kind.name}: {', '.join(f'`{code}`' for code, its in meanings.items() if its is kind)}"
        for kind in KINDS
        if kind in meanings.values()
    ]
    return "; ".join(told)


def statuses() -> str:
    """Return what HTTP statuses mean."""
    rows = [
        (", ".join(str(code) for code, its in codes.HTTP.items() if its is kind), kind.name)
        for kind in KINDS
        if kind in codes.HTTP.values()
    ]
    later = ", ".join(map(str, sorted(codes.HTTP_LATER)))
    rows.append((f"{later}, with a `Retry-After`", "throttled"))
    rows.append(("any other from 300 on", "permanent"))
    return table("status | kind", rows)


def other_codes() -> str:
    """Return what other codes mean."""
    return table("code | kinds", ((name, by_kind(its)) for name, its in CODES.items()))


def classes() -> str:
    """Return what classes mean, library by library."""
    rows = [
        (
            ", ".join(f"`{module}`" if module != "*" else "any" for module in row.modules.split()),
            ", ".join(f"`{name}`" for name in row.names.split()),
            row.kind.name + (", unless what it wraps knows better" if row.inside else ""),
        )
        for _, rows_of in groupby(TABLE, key=lambda one: one.modules)
        for row in rows_of
    ]
    return table("modules | classes | kind", rows)


TABLES = {"kinds": kinds, "statuses": statuses, "codes": other_codes, "classes": classes}


def rendered(page: str) -> str:
    """Return the page with its tables made anew."""
    return MARKED.sub(lambda found: f"{found[1]}{found[2]}\n{TABLES[found[1]]()}\n", page)


def main() -> int:
    """Write the page."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(rendered(page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
