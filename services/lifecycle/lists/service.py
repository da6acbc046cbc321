"""One answer: a page, a lookup or a whole file, all of it as of one snapshot of the database."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.lifecycle.api.naming import Naming
from services.lifecycle.domain.policy.schedule import Schedule
from services.lifecycle.lists import repository, search
from services.lifecycle.lists.filters import Filters
from services.lifecycle.lists.formats import Writer
from services.lifecycle.lists.schemas import (
    CustomerItem,
    CustomerPage,
    LookedUp,
    LookupAnswer,
    exported,
)
from services.lifecycle.lists.search import Hit
from shared.aio import in_chunks
from shared.clock import DAWN
from shared.database.connection import Pool, Tx
from shared.http.pages import encode_cursor

AT_ONCE: Final = 250
"""Customers of an export that are in memory together."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What all that is answered has in common; `clocks` is how far each partition has been judged."""

    tx: Tx
    schedule: Schedule
    clocks: Mapping[int, datetime]
    naming: Naming

    @property
    def as_of(self) -> datetime:
        """The least clock."""
        return min(self.clocks.values(), default=DAWN)

    async def items(self, hits: Sequence[Hit]) -> list[CustomerItem]:
        """The views of customers."""
        active = timedelta(days=self.schedule.at(self.as_of).active_days)
        facts = await search.facts(self.tx, hits, self.naming.model, self.clocks, active)
        both = list(zip(hits, facts, strict=True))
        return [
            CustomerItem.of(*one, self.naming) async for some in in_chunks(both) for one in some
        ]


@asynccontextmanager
async def answering(pool: Pool, schedule: Schedule, naming: Naming) -> AsyncIterator[Answer]:
    """Everything read inside belongs to one snapshot, the clocks too."""
    async with repository.snapshot(pool) as tx:
        yield Answer(tx, schedule, await repository.clocks(tx), naming)


async def page(answer: Answer, filters: Filters, after: str, limit: int) -> CustomerPage:
    """At most so many customers behind one."""
    looking = await search.search(answer.tx, filters, answer.schedule, after)
    hits, last = await search.page(answer.tx, looking, limit)
    cursor = None if last is None else encode_cursor(last)
    return CustomerPage(items=await answer.items(hits), next_cursor=cursor, as_of=answer.as_of)


async def lookup(answer: Answer, customers: Sequence[str]) -> LookupAnswer:
    """Each of the customers, or who it has become, in this order."""
    found = await search.lookup(answer.tx, customers, answer.schedule)
    hits = [hit for hit in found.values() if isinstance(hit, Hit)]
    items = {item.customer: item for item in await answer.items(hits)}
    ends = {customer: search.end_of_chain(customer, found) for customer in customers}
    looked_up = [
        LookedUp(
            asked=c, merged_into=ends[c] if ends[c] != c else None, customer=items.get(ends[c])
        )
        for c in customers
    ]
    unknown = [customer for customer, end in ends.items() if end not in items]
    return LookupAnswer(items=looked_up, unknown=unknown, as_of=answer.as_of)


async def export(
    pool: Pool, schedule: Schedule, naming: Naming, filters: Filters, writer: Writer
) -> AsyncGenerator[bytes, None]:
    """The whole list as a file, a few customers at a time; the first part comes when the first are found."""
    head = writer.head()
    async with answering(pool, schedule, naming) as answer:
        looking = await search.search(answer.tx, filters, schedule)
        while looking.reached is not None:
            items = await answer.items(await looking.next(answer.tx, AT_ONCE))
            if items:
                yield head + writer.lines([exported(item, answer.as_of) for item in items])
                head = b""
    yield head
