"""Parameters of requests about one customer; requests about merged ones are redirected."""

from collections.abc import Awaitable
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Request

from services.lifecycle.api.context import Context
from services.lifecycle.customers import repository
from shared.database.connection import Pool
from shared.errors import Problem
from shared.http import CustomerPath, ProblemKind, merged
from shared.ids import CustomerId

T = TypeVar("T")

UNKNOWN_CUSTOMER: Final = ProblemKind(
    404, "unknown_customer", "No event has made anybody with this id a customer."
)


class MergeRedirect:
    """Redirects a request about a merged customer to the one that it has become."""

    def __init__(self, customer: CustomerId, request: Request, pool: Pool) -> None:
        self._customer: Final = customer
        self._request: Final = request
        self._pool: Final = pool

    async def check(self) -> None:
        """Raise Problem 301 for a merged customer, and 308 for a write."""
        end = await repository.end_of_chain(self._pool, self._customer)
        if end is not None:
            raise merged(self._request, self._customer, end)

    async def unless_found(self, answer: Awaitable[T]) -> T:
        """Wait for the answer; if it is a problem and the customer is merged, raise Problem 301."""
        try:
            return await answer
        except Problem:
            await self.check()
            raise


async def merge_redirect(
    customer: CustomerPath, request: Request, context: Context
) -> MergeRedirect:
    """Make the redirect of this request."""
    return MergeRedirect(customer, request, context.pool)


Redirect = Annotated[MergeRedirect, Depends(merge_redirect)]


async def unmerged_customer(customer: CustomerPath, redirect: Redirect) -> CustomerId:
    """The customer asked for. Raises Problem 301 for a merged one, to writes 308."""
    await redirect.check()
    return customer


UnmergedCustomer = Annotated[CustomerId, Depends(unmerged_customer)]
