"""``python -m benchmarks NAME [options]``: run one benchmark.

A benchmark is a sub-package with a module ``cli`` that has ``main(arguments) -> exit status``.
"""

import pkgutil
import sys
from importlib import import_module
from pathlib import Path


def names() -> list[str]:
    """The benchmarks there are."""
    here = Path(__file__).parent
    packages = (found.name for found in pkgutil.iter_modules([str(here)]) if found.ispkg)
    return sorted(name for name in packages if (here / name / "cli.py").exists())


def main(arguments: list[str]) -> int:
    """Hand the remaining arguments to the benchmark that the first one names."""
    if not arguments or arguments[0] not in names():
        print(f"usage: python -m benchmarks {{{','.join(names())}}} [options]", file=sys.stderr)
        return 2
    module = import_module(f"benchmarks.{arguments[0]}.cli")
    return int(module.main(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
