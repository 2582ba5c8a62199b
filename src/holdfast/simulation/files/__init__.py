"""Scenarios as files: read, checked to the last key, and a library of ready ones.

Reading them needs pydantic, of the extra ``holdfast[simulation]``.
"""

from holdfast.simulation.files.files import ScenarioError, load, ready, scenario, text, titles

__all__ = ["ScenarioError", "load", "ready", "scenario", "text", "titles"]
