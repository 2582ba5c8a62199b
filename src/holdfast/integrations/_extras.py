"""A clear word where an extra is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needs(module: str) -> Iterator[None]:
    """Import ``module`` inside this block: where it is not installed, name the extra that brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise ImportError(
            f"holdfast.integrations.{module} needs the package {module!r}, which is not installed: "
            f"pip install 'holdfast[{module}]'",
            name=module,
        ) from error
