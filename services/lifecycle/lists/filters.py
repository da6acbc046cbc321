"""The filters of a list."""

from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple, Self

from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.domain.words.causes import CANCELLATION, CAUSE_TEXTS, COMPLAINT, SCORE

SCORES: Final = ("nps", "csat", "review")
_ABOUT: Final = MappingProxyType({SCORE: SCORES, COMPLAINT: None, CANCELLATION: None})
"""What may stand behind the colon, by kind; None: any id."""
_LONGEST_ID: Final = 200


class Cause(NamedTuple):
    """A kind of cause; for one exact cause, also what it is about."""

    kind: str
    about: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """`complaint` or `complaint:77`. Raises ValueError with what is wrong."""
        kind, colon, about = text.partition(":")
        if kind not in CAUSE_TEXTS:
            raise ValueError(f"must begin with one of {', '.join(CAUSE_TEXTS)}")
        if not colon:
            return cls(kind)
        if kind not in _ABOUT:
            raise ValueError(f"takes nothing behind {kind}")
        known = _ABOUT[kind]
        if known is not None and about not in known:
            raise ValueError(f"takes one of {', '.join(known)} behind {kind}:")
        if not 0 < len(about) <= _LONGEST_ID or "\0" in about:
            raise ValueError(f"takes an id of 1 to {_LONGEST_ID} characters behind {kind}:")
        return cls(kind, about)

    @property
    def names(self) -> list[str] | None:
        """All causes that are meant, as customers have them; None if they cannot be listed."""
        if self.about is not None:
            return [f"{self.kind}:{self.about}"]
        if self.kind not in _ABOUT:
            return [self.kind]
        known = _ABOUT[self.kind]
        return None if known is None else [f"{self.kind}:{about}" for about in known]


@dataclass(frozen=True, slots=True)
class Filters:
    """What all customers of a list have in common; a filter that is None lets all pass.

    `due_before`: the next transition by time alone lies before it. `min_value` is in minor units
    of the currency in which the customer has spent most.
    """

    phase: Phase | None = None
    since_before: datetime | None = None
    due_before: datetime | None = None
    min_value: int | None = None
    account: str | None = None
    cause: Cause | None = None

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases that a customer may be in: only those at risk have causes."""
        phases = tuple(Phase) if self.phase is None else (self.phase,)
        if self.cause is None:
            return phases
        return tuple(phase for phase in phases if phase is Phase.AT_RISK)
