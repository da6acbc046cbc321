"""The code of an offer at checkout: reserved for one order, then confirmed or released."""

from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from services.reactivation.domain.cases import Confirmation, Offer


class OfferState(StrEnum):
    """What may be done with a code now."""

    OPEN = "open"
    RESERVED = "reserved"
    REDEEMED = "redeemed"
    EXPIRED = "expired"


class Refusal(StrEnum):
    """Why a request changes nothing about a code."""

    ALREADY_RESERVED = "already_reserved"
    ALREADY_REDEEMED = "already_redeemed"
    NOT_RESERVED = "not_reserved"
    OFFER_EXPIRED = "offer_expired"


class Code(NamedTuple):
    """The code of an offer, and the order that uses it, or None."""

    offer: Offer
    used_for: str | None

    def state(self, now: datetime) -> OfferState:
        """What may be done with the code at `now`.

        It does not depend on the case: a code that was sent stays good until it expires.
        """
        if self.used_for is not None:
            return OfferState.REDEEMED
        if self.offer.expires_at <= now:
            return OfferState.EXPIRED
        if self.offer.reserved_until is not None and self.offer.reserved_until > now:
            return OfferState.RESERVED
        return OfferState.OPEN

    def holder(self, now: datetime) -> str | None:
        """The order that the code is reserved for at `now`, or was used for."""
        if self.state(now) is OfferState.RESERVED:
            return self.offer.reserved_for
        return self.used_for

    def reserver(self, order_id: str, now: datetime) -> str | None:
        """Who reserved the code for an order that has it at `now`; None if the order has it not."""
        is_reserved = self.offer.reserved_for == order_id == self.holder(now)
        return self.offer.reserved_by if is_reserved else None


def reserve(
    code: Code, order_id: str, now: datetime, minutes: int, *, customer: str
) -> Code | Refusal:
    """Reserve the code for a customer's order for some minutes, at most until the offer expires.

    Reserving it again for the same order changes nothing, whoever does.
    """
    refusal = _refusal(code, order_id, now)
    if refusal or code.state(now) is not OfferState.OPEN:
        return refusal or code
    until = min(now + timedelta(minutes=minutes), code.offer.expires_at)
    offer = replace(code.offer, reserved_for=order_id, reserved_by=customer, reserved_until=until)
    return code._replace(offer=offer)


def confirm(code: Code, order_id: str, now: datetime) -> Code | Refusal:
    """Use the code for the order that it is reserved for.

    An order for which it was used before, and which was undone, may use it again.
    """
    refusal = _refusal(code, order_id, now)
    if refusal:
        return refusal
    state = code.state(now)
    if state is OfferState.OPEN:
        return Refusal.NOT_RESERVED
    if state is OfferState.REDEEMED:
        return code
    confirmations = (*code.offer.confirmations, Confirmation(order_id, now))
    offer = replace(code.offer, reserved_until=None, confirmations=confirmations)
    return Code(offer, order_id)


def release(code: Code, order_id: str, now: datetime) -> Code | Refusal:
    """Free the code again; a used code stays used, and a free one stays free."""
    state = code.state(now)
    if state is OfferState.REDEEMED:
        return Refusal.ALREADY_REDEEMED
    if state is OfferState.RESERVED and code.offer.reserved_for != order_id:
        return Refusal.ALREADY_RESERVED
    offer = replace(code.offer, reserved_for=None, reserved_by=None, reserved_until=None)
    return code._replace(offer=offer)


def _refusal(code: Code, order_id: str, now: datetime) -> Refusal | None:
    """Why the order may not have the code, if it may not."""
    is_holder = code.holder(now) == order_id
    return {
        OfferState.OPEN: None,
        OfferState.RESERVED: None if is_holder else Refusal.ALREADY_RESERVED,
        OfferState.REDEEMED: None if is_holder else Refusal.ALREADY_REDEEMED,
        OfferState.EXPIRED: Refusal.OFFER_EXPIRED,
    }[code.state(now)]
