"""Parameters of requests about one customer; requests about merged ones are redirected."""

from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Depends, Query, Request

from services.referral.api.context import Context
from services.referral.api.fields import CUSTOMER
from services.referral.customers.repository import load_people
from shared.errors import Problem
from shared.events.fields import Subject
from shared.http import CustomerPath, ProblemKind
from shared.ids import CustomerId
from shared.urls import segment

MERGED: Final = ProblemKind(
    301, "merged", "The customer has been merged into another one: ask about that one."
)
MERGED_FOR_WRITES: Final = ProblemKind(
    308, "merged", "The customer has been merged into another one: send the same to that one."
)


async def unmerged_customer(
    customer: CustomerPath, request: Request, context: Context
) -> CustomerId:
    """The customer of the path. Raises Problem 301 or 308 "merged"."""
    await _redirect_if_merged(customer, request, context)
    return customer


async def listed_customer(
    customer: Annotated[
        Subject, Query(description="The customer whose postings are listed.", examples=[CUSTOMER])
    ],
    request: Request,
    context: Context,
) -> CustomerId:
    """The customer of the query. Raises Problem 301 "merged"."""
    await _redirect_if_merged(customer, request, context)
    return CustomerId(customer)


UnmergedCustomer = Annotated[CustomerId, Depends(unmerged_customer)]
ListedCustomer = Annotated[CustomerId, Depends(listed_customer)]


async def _redirect_if_merged(customer: str, request: Request, context: Context) -> None:
    people = await load_people(context.pool, [customer])
    if not people.is_merged(customer):
        return
    survivor = people.survivor(customer)
    detail = f"{customer} has been merged into {survivor}."
    kind = MERGED if request.method in {"GET", "HEAD"} else MERGED_FOR_WRITES
    raise Problem(kind.status, kind.code, detail, location=_location(request, survivor))


def _location(request: Request, survivor: str) -> str:
    """The same address for the survivor; the cursor of another customer's list leads nowhere."""
    path: str = request.scope["route"].path_format.format(customer=segment(survivor))
    query = [
        (name, survivor if name == "customer" else value)
        for name, value in request.query_params.multi_items()
        if name != "cursor"
    ]
    return f"{path}?{urlencode(query)}" if query else path
