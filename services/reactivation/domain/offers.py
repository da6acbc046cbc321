"""The code of an offer at the till: reserved for one order, then confirmed or released."""

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
    """Why nothing was done with a code."""

    ALREADY_RESERVED = "already_reserved"
    ALREADY_REDEEMED = "already_redeemed"
    NOT_RESERVED = "not_reserved"
    OFFER_EXPIRED = "offer_expired"
    OFFER_WITHDRAWN = "offer_withdrawn"


def state_of(case: Case, now: datetime) -> OfferState:
    """The state of a case's offer. A used code stays used; the offer of a cancelled case is withdrawn.

    A plain return ends the case and not the offer: the customer may use the code with a later order until it expires.
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
    """The order that the code was used for, or is put aside for now."""
    return (
        case.offer.reserved_for
        if state_of(case, now) is OfferState.RESERVED
        else redeemed_for(case)
    )


def reserve(case: Case, order_id: str, now: datetime, minutes: int) -> Offer | Refusal:
    """Put the code aside for an order. The same order again changes nothing; the offer's expiry ends it in any case."""
    refusal = _refusal(case, order_id, now)
    if refusal or state_of(case, now) is not OfferState.OPEN:
        return refusal or case.offer
    until = min(now + timedelta(minutes=minutes), case.offer.expires_at)
    return replace(case.offer, reserved_for=order_id, reserved_until=until)


def confirm(case: Case, order_id: str, now: datetime) -> Offer | Refusal:
    """The order that the code is reserved for was placed; from here on the code is used."""
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
    """The order came to nothing: the code is free again. Nothing to release is no error; a used code stays used."""
    state = state_of(case, now)
    if state is OfferState.REDEEMED:
        return Refusal.ALREADY_REDEEMED
    if state is OfferState.RESERVED and case.offer.reserved_for != order_id:
        return Refusal.ALREADY_RESERVED
    return replace(case.offer, reserved_for=None, reserved_until=None)


def _refusal(case: Case, order_id: str, now: datetime) -> Refusal | None:
    state, ours = state_of(case, now), order_holding(case, now) == order_id
    return {
        OfferState.OPEN: None,
        OfferState.RESERVED: None if ours else Refusal.ALREADY_RESERVED,
        OfferState.REDEEMED: None if ours else Refusal.ALREADY_REDEEMED,
        OfferState.EXPIRED: Refusal.OFFER_EXPIRED,
        OfferState.WITHDRAWN: Refusal.OFFER_WITHDRAWN,
    }[state]
