"""Routes of the ledger: a customer's balance and postings."""

from typing import Annotated

from fastapi import APIRouter, Depends

from services.referral.api.context import Context
from services.referral.customers.parameters import ListedCustomer, UnmergedCustomer
from services.referral.ledger.schemas import BalancesView, PostingPage
from services.referral.ledger.service import LedgerService
from shared.http import MERGED, Conditional, Paging, problems

router = APIRouter(prefix="/v1", tags=["referral"])


async def _service(context: Context) -> LedgerService:
    return LedgerService(context)


Service = Annotated[LedgerService, Depends(_service)]


@router.get("/customers/{customer}/balance", responses=problems(MERGED))
async def show_balance(
    customer: UnmergedCustomer, service: Service, conditional: Conditional
) -> BalancesView:
    """Show what a customer has earned, pending and available."""
    return conditional.answer(await service.show_balances(customer))


@router.get("/ledger", responses=problems(MERGED))
async def list_postings(customer: ListedCustomer, part: Paging, service: Service) -> PostingPage:
    """List a customer's postings with their entries, newest first."""
    return await service.list_postings(customer, part)
