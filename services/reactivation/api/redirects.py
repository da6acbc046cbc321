"""Requests about a customer who has become another one are sent on to that one."""

from typing import Annotated, Final

from fastapi import Depends, Request

from services.reactivation.api.context import ApiContext, Context
from services.reactivation.domain.identities import Identities
from services.reactivation.identities.repository import load_mergers
from shared.errors import Problem
from shared.http import ProblemKind
from shared.urls import segment

MERGED: Final = ProblemKind(
    301, "merged", "The customer has been merged into another one: ask about that one."
)
MERGED_WRITE: Final = ProblemKind(
    308, "merged", "The customer has been merged into another one: send the same to that one."
)


class MergerRedirect:
    """Sends a request on, if its customer has been merged into another."""

    def __init__(self, request: Request, context: ApiContext) -> None:
        self._request: Final = request
        self._pool: Final = context.pool

    async def check_parameter(self, customer: str | None) -> None:
        """Raise Problem 301 if the customer in the query is merged."""
        survivor = await self._survivor(customer)
        if survivor is not None:
            url = self._request.url.include_query_params(customer=survivor)
            raise _moved(301, customer, survivor, f"{url.path}?{url.query}")

    async def check_path(self, customer: str) -> None:
        """Raise Problem 308 if the customer in the path of a write is merged."""
        survivor = await self._survivor(customer)
        if survivor is not None:
            path: str = self._request.scope["route"].path_format
            location = path.format(customer=segment(survivor))
            raise _moved(308, customer, survivor, location)

    async def _survivor(self, customer: str | None) -> str | None:
        """The customer whom this one has become; None if it has not."""
        if customer is None:
            return None
        identities = Identities(await load_mergers(self._pool, [customer]))
        survivor = identities.survivor(customer)
        return survivor if survivor != customer else None


def _moved(status: int, customer: str | None, survivor: str, location: str) -> Problem:
    detail = f"{customer} has been merged into {survivor}."
    return Problem(status, "merged", detail, location=location)


async def merger_redirect(request: Request, context: Context) -> MergerRedirect:
    """Make the redirect of this request."""
    return MergerRedirect(request, context)


Redirect = Annotated[MergerRedirect, Depends(merger_redirect)]
