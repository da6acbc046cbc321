"""Who is in a phase while a lasting fact holds: how a life changes these counts, and at which instants."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias

from services.lifecycle.domain.phase_models import LASTING_FACTS, CustomerFact
from services.lifecycle.domain.state.customer import Customer


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
        """When."""


FactCountChange: TypeAlias = tuple[datetime, CustomerFact, str, int]
"""From an instant on a fact holds of one customer more, or one less, among those in a phase."""


def fact_count_changes(
    before: Customer, steps: Sequence[PhaseStep], after: Customer
) -> list[FactCountChange]:
    """What has changed when a customer who stood as `before` stands as `after`, by these steps in their order.

    A whole life begins with a customer of whom nothing is known.
    """
    found = list[FactCountChange]()
    if after.signed_up_at is not None:
        found += _changes_of_fact(
            CustomerFact.SIGNED_UP, before.signed_up_at, after.signed_up_at, before.phase, steps
        )
    if after.activated_at is not None:
        found += _changes_of_fact(
            CustomerFact.ACTIVATED, before.activated_at, after.activated_at, before.phase, steps
        )
    return found


def _changes_of_fact(
    fact: CustomerFact,
    known: datetime | None,
    since: datetime,
    phase: str | None,
    steps: Sequence[PhaseStep],
) -> Iterator[FactCountChange]:
    if known is None:
        stood = next((step.to for step in reversed(steps) if step.occurred_at <= since), phase)
        if stood is not None and (stood, fact) in LASTING_FACTS:
            yield since, fact, stood, 1
        steps = [step for step in steps if step.occurred_at > since]
    for step in steps:
        if step.from_ is not None and (step.from_, fact) in LASTING_FACTS:
            yield step.occurred_at, fact, step.from_, -1
        if (step.to, fact) in LASTING_FACTS:
            yield step.occurred_at, fact, step.to, 1
