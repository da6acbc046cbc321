"""Codes at the till: one request at a time for each customer, under the lock that the worker takes as well."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from services.reactivation.batch.handler import Moment, Unfoldable, recompute
from services.reactivation.cases import repository
from services.reactivation.cases import search as queries
from services.reactivation.cases.search import CaseRow
from services.reactivation.domain import codes, offers
from services.reactivation.domain.cases import Case, Offer, Terms
from services.reactivation.domain.offers import Refusal
from shared.database.connection import Pool, Tx, transaction
from shared.errors import Problem

Act = Callable[[Case, datetime], Offer | Refusal]

_REFUSALS = {
    Refusal.ALREADY_RESERVED: (409, "The code is reserved for another order."),
    Refusal.ALREADY_REDEEMED: (409, "The code has been used."),
    Refusal.NOT_RESERVED: (
        409,
        "The code is not reserved for this order, or no longer: reserve it again.",
    ),
    Refusal.OFFER_EXPIRED: (410, "The offer has expired."),
    Refusal.OFFER_WITHDRAWN: (410, "The offer was withdrawn."),
}


class OfferService:
    """Reserves, confirms and releases codes. Doing the same for the same order again gives the same answer."""

    def __init__(self, pool: Pool, terms: Terms) -> None:
        self._pool = pool
        self._terms = terms

    async def reserve(self, code: str, customer: str, order_id: str) -> CaseRow:
        """Put the code aside for an order; without a confirmation this lapses by the partition's clock."""
        minutes = self._terms.reservation_minutes
        return await self._act(
            code, customer, lambda case, now: offers.reserve(case, order_id, now, minutes)
        )

    async def confirm(self, code: str, customer: str, order_id: str) -> CaseRow:
        """The order was placed: the code is used, and a running case is won back now, not with the order's event.

        When that event comes, it changes nothing if its time is later; if it is earlier, the case was won back then.
        While the customer is parked, the code is used all the same, and the case follows with the release.
        """
        return await self._act(
            code, customer, lambda case, now: offers.confirm(case, order_id, now)
        )

    async def release(self, code: str, customer: str, order_id: str) -> CaseRow:
        """The order came to nothing: the code is free again."""
        return await self._act(
            code, customer, lambda case, now: offers.release(case, order_id, now)
        )

    async def _act(self, code: str, customer: str, act: Act) -> CaseRow:
        async with self._pool.acquire() as connection, transaction(connection) as tx:
            found = await _locked(tx, codes.canonical(code), customer)
            now = max(found.as_of, found.case.offer.made_at)
            outcome = act(found.case, now)
            if isinstance(outcome, Refusal):
                status, detail = _REFUSALS[outcome]
                raise Problem(status, outcome, detail)
            if outcome == found.case.offer:
                return found
            return await self._save(tx, found, outcome)

    async def _save(self, tx: Tx, found: CaseRow, offer: Offer) -> CaseRow:
        await repository.save_offers(tx, [offer])
        if offer.confirmed_for is not None and not found.parked:
            moment = Moment(found.partition, until=found.as_of, recorded_at=found.as_of)
            try:
                await recompute(tx, {found.case.customer: moment}, self._terms)
            except Unfoldable as failure:
                await repository.park(tx, failure.reasons)
            return await _existing(tx, offer.code)
        return found._replace(case=replace(found.case, offer=offer))


async def _locked(tx: Tx, code: str, customer: str) -> CaseRow:
    """The case of the code as it stands under the customer's lock."""
    known = await _existing(tx, code) if codes.is_well_formed(code) else None
    if known is None:
        raise _unknown()
    if known.case.customer != customer:
        raise Problem(403, "not_your_code", "The code was given to another customer.")
    await repository.lock(tx, [customer])
    return await _existing(tx, code)


async def _existing(tx: Tx, code: str) -> CaseRow:
    found = await queries.case_by_code(tx, code)
    if found is None:
        raise _unknown()
    return found


def _unknown() -> Problem:
    return Problem(404, "unknown_code", "There is no such code.")
