"""Parameters of requests about one customer; requests about merged ones are redirected."""

from typing import Annotated

from fastapi import Depends, Query, Request

from services.referral.api.context import Context
from services.referral.api.fields import CUSTOMER
from services.referral.customers.repository import load_people
from shared.events.fields import Subject
from shared.http import CustomerPath, merged
from shared.ids import CustomerId


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
    if people.is_merged(customer):
        raise merged(request, customer, people.survivor(customer))
