"""Tells models apart by their ``kind`` when they are read from a file."""

from __future__ import annotations

from typing import Annotated, Any, Final


class ByKind:
    """Marks a union, in `typing.Annotated`, whose members each have a ``kind`` of their own.

    Only pydantic looks at it, and only where it is installed.
    """

    def __get_pydantic_core_schema__(self, union: Any, handler: Any) -> Any:
        """Have the member chosen by ``kind``, so that errors are about that one only."""
        from pydantic import Field

        return handler.generate_schema(Annotated[union, Field(discriminator="kind")])


BY_KIND: Final = ByKind()
