"""Requests about a customer who has become another one are sent on to that one."""

from typing import Annotated, Final

from fastapi import Depends, Request

from services.reactivation.api.context import ApiContext, Context
from services.reactivation.identities.repository import load_merges
from shared.http import merged
from shared.identities import Identities


class MergeRedirect:
    """Sends a request on, if its customer has been merged into another."""

    def __init__(self, request: Request, context: ApiContext) -> None:
        self._request: Final = request
        self._pool: Final = context.pool

    async def check(self, customer: str) -> None:
        """Raise Problem 301 if the customer is merged, and 308 for a write."""
        identities = Identities(await load_merges(self._pool, [customer]))
        survivor = identities.survivor(customer)
        if survivor != customer:
            raise merged(self._request, customer, survivor)


async def merge_redirect(request: Request, context: Context) -> MergeRedirect:
    """Make the redirect of this request."""
    return MergeRedirect(request, context)


Redirect = Annotated[MergeRedirect, Depends(merge_redirect)]
