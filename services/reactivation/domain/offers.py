"""The code of an offer at checkout: reserved for one order, then confirmed or released."""

from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from services.reactivation.domain.cases import Case, Offer, State


class OfferState(StrEnum):
    """What may be done with a code now."""

    OPEN = "open"
    RESERVED = "reserved"
    REDEEMED = "redeemed"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class Refusal(StrEnum):
    """Why a request changes nothing about a code."""

    ALREADY_RESERVED = "already_reserved"
    ALREADY_REDEEMED = "already_redeemed"
    NOT_RESERVED = "not_reserved"
    OFFER_EXPIRED = "offer_expired"
    OFFER_WITHDRAWN = "offer_withdrawn"


def state_of(case: Case, now: datetime) -> OfferState:
    """The state of a case's offer at `now`; a used code stays used.

    The offer of a cancelled case is withdrawn. A return without the code ends the case and not the
    offer: until it expires, the customer may use the code for a later order.
    """
    offer = case.offer
    if redeemed_for(case) is not None:
        return OfferState.REDEEMED
    if case.state is State.CANCELLED:
        return OfferState.WITHDRAWN
    if offer.expires_at <= now:
        return OfferState.EXPIRED
    if offer.reserved_until is not None and offer.reserved_until > now:
        return OfferState.RESERVED
    return OfferState.OPEN


def redeemed_for(case: Case) -> str | None:
    """The order that used the code: the one confirmed, or else the one that came in with it."""
    return case.offer.confirmed_for or case.used_for


def order_holding(case: Case, now: datetime) -> str | None:
    """The order that the code is reserved for at `now`, or was used for."""
    if state_of(case, now) is OfferState.RESERVED:
        return case.offer.reserved_for
    return redeemed_for(case)


def reserve(case: Case, order_id: str, now: datetime, minutes: int) -> Offer | Refusal:
    """Reserve the code for an order for some minutes, at most until the offer expires.

    Reserving it again for the same order changes nothing.
    """
    refusal = _refusal(case, order_id, now)
    if refusal or state_of(case, now) is not OfferState.OPEN:
        return refusal or case.offer
    until = min(now + timedelta(minutes=minutes), case.offer.expires_at)
    return replace(case.offer, reserved_for=order_id, reserved_until=until)


def confirm(case: Case, order_id: str, now: datetime) -> Offer | Refusal:
    """Use the code for the order that it is reserved for."""
    refusal = _refusal(case, order_id, now)
    if refusal:
        return refusal
    state = state_of(case, now)
    if state is OfferState.OPEN:
        return Refusal.NOT_RESERVED
    if state is OfferState.REDEEMED:
        return case.offer
    return replace(
        case.offer, reserved_for=None, reserved_until=None, confirmed_for=order_id, confirmed_at=now
    )


def release(case: Case, order_id: str, now: datetime) -> Offer | Refusal:
    """Free the code again; a used code stays used, and a free one stays free."""
    state = state_of(case, now)
    if state is OfferState.REDEEMED:
        return Refusal.ALREADY_REDEEMED
    if state is OfferState.RESERVED and case.offer.reserved_for != order_id:
        return Refusal.ALREADY_RESERVED
    return replace(case.offer, reserved_for=None, reserved_until=None)


def _refusal(case: Case, order_id: str, now: datetime) -> Refusal | None:
    """Why the order may not have the code, if it may not."""
    state = state_of(case, now)
    is_holder = order_holding(case, now) == order_id
    return {
        OfferState.OPEN: None,
        OfferState.RESERVED: None if is_holder else Refusal.ALREADY_RESERVED,
        OfferState.REDEEMED: None if is_holder else Refusal.ALREADY_REDEEMED,
        OfferState.EXPIRED: Refusal.OFFER_EXPIRED,
        OfferState.WITHDRAWN: Refusal.OFFER_WITHDRAWN,
    }[state]
