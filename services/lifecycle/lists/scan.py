"""All customers who fulfil filters, a few at a time, in the order of their ids."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from services.lifecycle.domain.policy.schedule import Schedule
from services.lifecycle.lists.filters import Filters
from services.lifecycle.lists.hits import Hit, hits_of
from services.lifecycle.lists.search import STRETCH, SearchPath, choose_path
from shared.aio import in_chunks
from shared.database.connection import Tx

MAX_EFFORT: Final = 20 * STRETCH
"""Customers that are looked at for one page, at most."""
JUDGEMENT_EFFORT: Final = 12
"""Judging one customer takes as long as looking at so many."""
MIN_CANDIDATES: Final = 100
"""Of a search by `due_before`, where many candidates may turn out to be no hits."""


class HitPage(NamedTuple):
    """Some hits, and the customer behind whom the next page begins (None: this is the last)."""

    hits: list[Hit]
    last: str | None


@dataclass(slots=True)
class CustomerScan:
    """A walk through all hits. `reached` is None once everybody has been looked at."""

    path: SearchPath
    schedule: Schedule
    reached: str | None
    effort: int = 0

    async def next_hits(self, tx: Tx, limit: int) -> list[Hit]:
        """The hits among the next `limit` candidates; even before the end there may be none."""
        if self.reached is None:
            return []
        rows, self.reached = await self.path.next_candidates(tx, self.reached, limit)
        self.effort += len(rows) * JUDGEMENT_EFFORT
        if len(rows) < limit:
            self.effort += STRETCH
        hits = list[Hit]()
        async for chunk in in_chunks(rows):
            hits += [hit for hit in hits_of(chunk, self.schedule) if self._is_due(hit)]
        return hits

    async def next_page(self, tx: Tx, limit: int) -> HitPage:
        """The next hits; fewer than `limit` where more would take too long for one page."""
        candidates = limit + 1
        if self.path.filters.due_before is not None:
            candidates = max(candidates, MIN_CANDIDATES)
        hits = list[Hit]()
        while len(hits) <= limit and self.reached is not None and self.effort < MAX_EFFORT:
            hits += await self.next_hits(tx, candidates)
        if len(hits) > limit:
            return HitPage(hits[:limit], hits[limit - 1].row.customer)
        return HitPage(hits, self.reached)

    def _is_due(self, hit: Hit) -> bool:
        before = self.path.filters.due_before
        if before is None:
            return True
        move = hit.judged.next_move
        return move is not None and move.occurred_at < before


async def start_scan(tx: Tx, filters: Filters, schedule: Schedule, after: str = "") -> CustomerScan:
    """Begin a scan of the customers behind `after`."""
    path = await choose_path(tx, filters)
    return CustomerScan(path, schedule, after if filters.phases else None)
