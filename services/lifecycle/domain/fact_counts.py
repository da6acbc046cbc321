"""How a life changes the counts of customers by phase and lasting fact."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, Protocol, TypeAlias

from services.lifecycle.domain.phase_models import LASTING_FACTS, CustomerFact
from services.lifecycle.domain.state.customer import Customer

_SIGNED_UP: Final = CustomerFact.SIGNED_UP
_ACTIVATED: Final = CustomerFact.ACTIVATED
"""Names of the module: looking a member up in its enum takes ten times as long."""


class PhaseStep(Protocol):
    """A move, or the transition that it has become."""

    @property
    def from_(self) -> str | None:
        """The phase that is left."""

    @property
    def to(self) -> str:
        """The phase that is entered."""

    @property
    def occurred_at(self) -> datetime:
        """The instant of the step."""


FactCountChange: TypeAlias = tuple[datetime, CustomerFact, str, int]
"""An instant from which a fact holds of one customer more (1) or less (-1) in a phase."""


def fact_count_changes(
    before: Customer, steps: Sequence[PhaseStep], after: Customer
) -> list[FactCountChange]:
    """Return how the counts change when `steps`, in their order, lead from `before` to `after`.

    A whole life begins with a customer of whom nothing is known.
    """
    changes: list[FactCountChange] = []
    if after.signed_up_at is not None:
        changes += _changes(_SIGNED_UP, before.signed_up_at, after.signed_up_at, before, steps)
    if after.activated_at is not None:
        changes += _changes(_ACTIVATED, before.activated_at, after.activated_at, before, steps)
    return changes


def _changes(
    fact: CustomerFact,
    known_since: datetime | None,
    since: datetime,
    before: Customer,
    steps: Sequence[PhaseStep],
) -> Iterator[FactCountChange]:
    """Yield the changes by one fact that holds since an instant.

    `known_since` is None if it did not hold `before`.
    """
    if known_since is None:
        earlier = [step.to for step in steps if step.occurred_at <= since]
        phase_then = earlier[-1] if earlier else before.phase
        if phase_then is not None and (phase_then, fact) in LASTING_FACTS:
            yield since, fact, phase_then, 1
        steps = [step for step in steps if step.occurred_at > since]
    for step in steps:
        if step.from_ is not None and (step.from_, fact) in LASTING_FACTS:
            yield step.occurred_at, fact, step.from_, -1
        if (step.to, fact) in LASTING_FACTS:
            yield step.occurred_at, fact, step.to, 1
