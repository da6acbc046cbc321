"""Customers of a list as of now, and the facts that hold of them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from services.lifecycle.customers.facts import facts_held
from services.lifecycle.customers.snapshot import JudgedCustomer, judge
from services.lifecycle.domain.phase_models import CustomerFact, Model, facts_needed
from services.lifecycle.domain.policy.schedule import Schedule
from services.lifecycle.lists.repository import ListedCustomer, have_acted
from shared.clock import CLOCK_START
from shared.database.connection import Tx


class Hit(NamedTuple):
    """A customer of the list: as stored, and as the policies in force judge it."""

    row: ListedCustomer
    judged: JudgedCustomer


class HitFacts(NamedTuple):
    """What holds of a customer now, and at the next move by time alone."""

    now: frozenset[CustomerFact]
    then: frozenset[CustomerFact]


NO_FACTS = HitFacts(frozenset(), frozenset())


def hits_of(rows: Sequence[ListedCustomer], schedule: Schedule) -> Iterator[Hit]:
    """Judge customers by the policies in force."""
    for row in rows:
        yield Hit(row, judge(row.state, schedule))


async def facts_of_hits(
    tx: Tx,
    hits: Sequence[Hit],
    model: Model | None,
    clocks: Mapping[int, datetime],
    active: timedelta,
) -> list[HitFacts]:
    """The facts that a model needs, of each hit.

    `clocks` are by partition; `active` is the span in which acts count.
    """
    needed = facts_needed(model)
    if not needed:
        return [NO_FACTS] * len(hits)
    moments = [
        _Moment(hit, instant)
        for hit in hits
        for instant in hit.judged.instants(clocks.get(hit.row.partition, CLOCK_START))
    ]
    if CustomerFact.ACTED in needed:
        acted = await _have_acted(tx, moments, active)
    else:
        acted = [False] * len(moments)
    facts = [moment.facts(acts) & needed for moment, acts in zip(moments, acted, strict=True)]
    return [HitFacts(now, then) for now, then in zip(facts[::2], facts[1::2], strict=True)]


class _Moment(NamedTuple):
    hit: Hit
    instant: datetime

    def facts(self, acted: bool) -> frozenset[CustomerFact]:
        customer = self.hit.judged.customer
        return facts_held(
            self.instant,
            signed_up_at=customer.signed_up_at,
            activated_at=customer.activated_at,
            acted=acted,
        )


async def _have_acted(tx: Tx, moments: Sequence[_Moment], active: timedelta) -> list[bool]:
    keys = [moment.hit.row.key for moment in moments]
    since = [moment.instant - active for moment in moments]
    until = [moment.instant for moment in moments]
    return await have_acted(tx, keys, since, until)
