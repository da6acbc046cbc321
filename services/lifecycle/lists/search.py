"""The customers of a list, a few at a time: found, judged by the policies in force, and what held of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from services.lifecycle.customers.facts import facts_held
from services.lifecycle.customers.snapshot import JudgedCustomer, judge
from services.lifecycle.domain.phase_models import CustomerFact, Model, facts_needed
from services.lifecycle.domain.policy.schedule import Schedule
from services.lifecycle.domain.state.customer import Customer, Move
from services.lifecycle.lists import repository
from services.lifecycle.lists.filters import Filters
from services.lifecycle.lists.repository import STRETCH, Row, Way
from shared.aio import in_chunks
from shared.clock import DAWN
from shared.database.connection import Tx

EFFORT: Final = 20 * STRETCH
"""So many customers are looked at for one page at the most."""
JUDGING: Final = 12
"""To see when one customer's next transition is due takes as long as to look at so many."""
FEWEST_AT_ONCE: Final = 100


class Hit(NamedTuple):
    """A customer of the list as of now, and what time alone will do next."""

    row: Row
    customer: Customer
    move: Move | None


class Facts(NamedTuple):
    """What holds of a customer now, and will at the next move by time alone if nothing happens before."""

    now: frozenset[CustomerFact]
    then: frozenset[CustomerFact]


@dataclass(slots=True)
class Search:
    """All that fulfil the filters, in the order of their ids; `reached` is None once everybody has been looked at."""

    way: Way
    schedule: Schedule
    reached: str | None
    effort: int = 0

    async def next(self, tx: Tx, most: int) -> list[Hit]:
        """The next hits, of at most so many candidates; none is no sign of the end."""
        if self.reached is None:
            return []
        rows, self.reached = await self.way.next(tx, self.reached, most)
        self.effort += len(rows) * JUDGING + (0 if len(rows) == most else STRETCH)
        before = self.way.filters.due_before
        hits = [hit async for some in in_chunks(rows) for hit in _judged(some, self.schedule)]
        return [
            hit
            for hit in hits
            if before is None or (hit.move is not None and hit.move.occurred_at < before)
        ]


async def search(tx: Tx, filters: Filters, schedule: Schedule, after: str = "") -> Search:
    """A search for the customers behind one."""
    way = await repository.way(tx, filters)
    return Search(way, schedule, after if filters.phases else None)


async def page(tx: Tx, looking: Search, limit: int) -> tuple[list[Hit], str | None]:
    """The next hits, and the customer behind whom the next page begins (None: this is the last).

    There are fewer than `limit` where the search would take too long for one page.
    """
    hits = list[Hit]()
    at_once = (
        limit + 1 if looking.way.filters.due_before is None else max(limit + 1, FEWEST_AT_ONCE)
    )
    while len(hits) <= limit and looking.reached is not None and looking.effort < EFFORT:
        hits += await looking.next(tx, at_once)
    if len(hits) > limit:
        return hits[:limit], hits[limit - 1].row.customer
    return hits, looking.reached


async def lookup(tx: Tx, customers: Sequence[str], schedule: Schedule) -> dict[str, Row | Hit]:
    """What became of customers: the hit, or the row of a merged or phaseless one; mergers are followed to the end."""
    found: dict[str, Row | Hit] = {}
    wanted = [*dict.fromkeys(customers)]
    while wanted:
        rows = await repository.named(tx, wanted)
        async for some in in_chunks([row for row in rows.values() if row.state.phase]):
            found |= {hit.row.customer: hit for hit in _judged(some, schedule)}
        found |= {customer: row for customer, row in rows.items() if customer not in found}
        into = (row.merged_into for row in rows.values() if row.merged_into)
        wanted = [customer for customer in dict.fromkeys(into) if customer not in found]
    return found


def end_of_chain(customer: str, found: Mapping[str, Row | Hit]) -> str:
    """Who a customer is now, by what a lookup found."""
    while isinstance(row := found.get(customer), Row) and row.merged_into:
        customer = row.merged_into
    return customer


async def facts(
    tx: Tx,
    hits: Sequence[Hit],
    model: Model | None,
    clocks: Mapping[int, datetime],
    active: timedelta,
) -> list[Facts]:
    """What a model asks beside the phase; `active` is the span in which acts count."""
    asked = facts_needed(model)
    if not asked:
        return [Facts(frozenset(), frozenset())] * len(hits)
    instants = [
        JudgedCustomer(hit.customer, hit.move).instants(clocks.get(hit.row.partition, DAWN))
        for hit in hits
    ]
    acted = [False] * (2 * len(hits))
    if CustomerFact.ACTED in asked:
        until = [instant for pair in instants for instant in pair]
        keys = [hit.row.key for hit in hits for _ in range(2)]
        acted = await repository.acted(tx, keys, [instant - active for instant in until], until)
    found = list[Facts]()
    for hit, pair, acts in zip(
        hits, instants, zip(acted[::2], acted[1::2], strict=True), strict=True
    ):
        now, then = (_facts(hit.customer, *held) & asked for held in zip(pair, acts, strict=True))
        found.append(Facts(now, then))
    return found


def _judged(rows: Sequence[Row], schedule: Schedule) -> Iterator[Hit]:
    for row in rows:
        yield Hit(row, *judge(row.state, schedule))


def _facts(customer: Customer, at: datetime, acted: bool) -> frozenset[CustomerFact]:
    return facts_held(
        at,
        signed_up_at=customer.signed_up_at,
        activated_at=customer.activated_at,
        acted=acted,
    )
