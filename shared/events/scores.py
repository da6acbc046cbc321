"""The scales of feedback."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

EXIT: Final = "exit"
"""Feedback on leaving; it has no score."""
SCALES: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {"nps": (0, 10), "csat": (1, 5), "review": (1, 5)}
)
"""The lowest and the highest score of each other kind."""
STEPS: Final[Mapping[str, float]] = MappingProxyType({"nps": 1, "csat": 1, "review": 0.5})


def wrong_score(kind: str, score: float | None) -> str | None:
    """What is wrong with the score of feedback of a kind; None if nothing."""
    if kind == EXIT:
        return None if score is None else "an exit has no score"
    low, high = SCALES[kind]
    if score is not None and low <= score <= high and score % STEPS[kind] == 0:
        return None
    steps = "a whole number" if STEPS[kind] == 1 else "in halves"
    return f"a score of kind {kind} lies between {low} and {high}, {steps}"
