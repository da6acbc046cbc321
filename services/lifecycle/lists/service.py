"""The use cases of lists: a page, customers by their ids, or the whole list as a file.

Everything in one answer is as of one snapshot of the database.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.lifecycle.api.context import ApiContext
from services.lifecycle.api.phase_names import Naming
from services.lifecycle.domain.policy.schedule import Schedule
from services.lifecycle.lists import repository
from services.lifecycle.lists.filters import Filters
from services.lifecycle.lists.formats import Writer
from services.lifecycle.lists.hits import Hit, facts_of_hits
from services.lifecycle.lists.lookup import find_all
from services.lifecycle.lists.scan import start_scan
from services.lifecycle.lists.schemas import (
    CustomerItem,
    CustomerPage,
    LookedUp,
    LookupAnswer,
    export_line,
)
from shared.aio import in_chunks
from shared.clock import CLOCK_START
from shared.database.connection import Tx
from shared.http import Slice
from shared.http.pages import encode_cursor

EXPORT_CHUNK: Final = 250
"""Customers of an export that are in memory together."""


@dataclass(frozen=True, slots=True)
class ListSnapshot:
    """What all items of an answer have in common; `clocks` are by partition."""

    tx: Tx
    schedule: Schedule
    clocks: Mapping[int, datetime]
    naming: Naming

    @property
    def as_of(self) -> datetime:
        """The least clock."""
        return min(self.clocks.values(), default=CLOCK_START)

    async def items(self, hits: Sequence[Hit]) -> list[CustomerItem]:
        """The views of customers."""
        active = timedelta(days=self.schedule.at(self.as_of).active_days)
        facts = await facts_of_hits(self.tx, hits, self.naming.model, self.clocks, active)
        items = list[CustomerItem]()
        async for chunk in in_chunks(zip(hits, facts, strict=True)):
            items += [CustomerItem.of(hit, held, self.naming) for hit, held in chunk]
        return items


class ListService:
    """The use cases of lists."""

    def __init__(self, context: ApiContext) -> None:
        self._context: Final = context

    async def page(self, filters: Filters, part: Slice, naming: Naming) -> CustomerPage:
        """Customers who fulfil the filters, in the order of their ids."""
        after = _last_customer(part)
        schedule = await self._context.schedule()
        async with self._snapshot(schedule, naming) as snapshot:
            scan = await start_scan(snapshot.tx, filters, schedule, after)
            hits, last = await scan.next_page(snapshot.tx, part.limit)
            items = await snapshot.items(hits)
        cursor = None if last is None else encode_cursor(last)
        return CustomerPage(items=items, next_cursor=cursor, as_of=snapshot.as_of)

    async def lookup(self, customers: Sequence[str], naming: Naming) -> LookupAnswer:
        """Each of the customers, or who it has become, in the order asked."""
        schedule = await self._context.schedule()
        async with self._snapshot(schedule, naming) as snapshot:
            found = await find_all(snapshot.tx, customers, schedule)
            items = await snapshot.items(list(found.hits.values()))
        by_id = {item.customer: item for item in items}
        ends = {customer: found.end_of_chain(customer) for customer in customers}
        return LookupAnswer(
            items=[LookedUp.of(id, ends[id], by_id.get(ends[id])) for id in customers],
            unknown=[id for id, end in ends.items() if end not in by_id],
            as_of=snapshot.as_of,
        )

    async def export(
        self, filters: Filters, naming: Naming, writer: Writer
    ) -> AsyncGenerator[bytes, None]:
        """The whole list as a file, in parts.

        The first part comes when the first customers are found.
        """
        return self._export(filters, naming, writer, await self._context.schedule())

    async def _export(
        self, filters: Filters, naming: Naming, writer: Writer, schedule: Schedule
    ) -> AsyncGenerator[bytes, None]:
        head = writer.head()
        async with self._snapshot(schedule, naming) as snapshot:
            scan = await start_scan(snapshot.tx, filters, schedule)
            while scan.reached is not None:
                items = await snapshot.items(await scan.next_hits(snapshot.tx, EXPORT_CHUNK))
                if items:
                    lines = writer.lines([export_line(item, snapshot.as_of) for item in items])
                    yield head + lines
                    head = b""
        yield head

    @asynccontextmanager
    async def _snapshot(self, schedule: Schedule, naming: Naming) -> AsyncIterator[ListSnapshot]:
        async with repository.snapshot(self._context.pool) as tx:
            clocks = await repository.clocks_by_partition(tx)
            yield ListSnapshot(tx, schedule, clocks, naming)


def _last_customer(part: Slice) -> str:
    """The last customer of the page before.

    Its id may be one that workers accept but that no path could hold.
    """
    (after,) = part.after(str) or ("",)
    return str(after)
