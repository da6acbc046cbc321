"""The use cases of the ledger: show balances, list postings."""

from services.referral.api.context import ApiContext
from services.referral.customers.repository import find_parked
from services.referral.ledger.repository import PostingRow, load_balances, load_page
from services.referral.ledger.schemas import BalancesView, BalanceView, PostingPage, PostingView
from shared.http import Page, Slice


class LedgerService:
    """Shows what customers have earned."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context

    async def show_balances(self, customer: str) -> BalancesView:
        """A customer's sums, by currency; the clock is read first, so they are true at it."""
        pool = self._context.pool
        clock = await self._context.clock(pool, customer)
        balances = [BalanceView.of(balance) for balance in await load_balances(pool, customer)]
        parked = await find_parked(pool, customer) is not None
        return BalancesView(customer=customer, balances=balances, parked=parked, as_of=clock)

    async def list_postings(self, customer: str, part: Slice) -> PostingPage:
        """A page of a customer's postings, newest first. Raises Problem 422 "invalid_cursor"."""
        key = part.after(int)
        before = key[0] if key else None
        rows = await load_page(self._context.pool, customer, before=before, limit=part.limit + 1)
        page = Page[PostingView].of(rows, part, key=_key, view=PostingView.of)
        return PostingPage(items=page.items, next_cursor=page.next_cursor)


def _key(row: PostingRow) -> tuple[int]:
    return (row.seq,)
