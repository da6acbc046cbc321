"""What the routes of every noun need: the database, the policies in force, and the clocks."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Depends, Request

from services.lifecycle.api.parameters import refuse_future
from services.lifecycle.clocks import least_clock, partition_clock
from services.lifecycle.domain.policy.schedule import Schedule
from services.lifecycle.schedule import latest_number, load_schedule
from shared.database.connection import Pool
from shared.ids import CustomerId, partition_of


class ApiContext:
    """One for each process; it caches the schedule of policies until something is added to it."""

    def __init__(self, pool: Pool, partitions: int) -> None:
        self.pool = pool
        self.partitions = partitions
        self._schedule: Schedule | None = None

    async def schedule(self, known: int | None = None) -> Schedule:
        """Return all activations and fits until now.

        `known` is the greatest number of them; pass it if you have read it already.
        """
        if known is None:
            known = await latest_number(self.pool)
        if self._schedule is None or self._schedule.known != known:
            async with self.pool.acquire() as connection:
                self._schedule = await load_schedule(connection)
        return self._schedule

    async def active_span(self) -> timedelta:
        """Return how long an act of a customer counts, by the policy in force at the clock."""
        schedule = await self.schedule()
        return timedelta(days=schedule.at(await least_clock(self.pool)).active_days)

    async def instant(self, as_of: datetime | None) -> datetime:
        """Return the instant asked for, or else the clock. Raises Problem 422 beyond the clock."""
        now = await least_clock(self.pool)
        refuse_future("as_of", as_of, now)
        return as_of or now

    async def clock_of(self, customer: CustomerId) -> datetime:
        """Return the clock of the customer's partition."""
        return await partition_clock(self.pool, self.partition(customer))

    def partition(self, customer: CustomerId) -> int:
        """Return the customer's partition."""
        return partition_of(customer, self.partitions)


async def api_context(request: Request) -> ApiContext:
    """Return the context of this process."""
    context: ApiContext = request.app.state.context
    return context


Context = Annotated[ApiContext, Depends(api_context)]
