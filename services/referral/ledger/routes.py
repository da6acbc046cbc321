"""Routes of the ledger: a customer's balance and postings."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from services.referral.api.context import Context
from services.referral.api.fields import CUSTOMER
from services.referral.ledger.schemas import BalancesView, PostingPage
from services.referral.ledger.service import LedgerService
from shared.events.fields import Subject
from shared.http import Conditional, CustomerPath, Paging

router = APIRouter(prefix="/v1", tags=["referral"])


async def _service(context: Context) -> LedgerService:
    return LedgerService(context)


Service = Annotated[LedgerService, Depends(_service)]
OfCustomer = Annotated[
    Subject, Query(description="The customer whose postings are listed.", examples=[CUSTOMER])
]


@router.get("/customers/{customer}/balance")
async def show_balance(
    customer: CustomerPath, service: Service, conditional: Conditional
) -> BalancesView:
    """Show what a customer has earned, pending and available."""
    return conditional.answer(await service.show_balances(customer))


@router.get("/ledger")
async def list_postings(customer: OfCustomer, part: Paging, service: Service) -> PostingPage:
    """List a customer's postings with their entries, newest first."""
    return await service.list_postings(customer, part)
