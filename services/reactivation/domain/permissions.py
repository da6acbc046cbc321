"""Whether a customer may be told of offers: what the shop has said of it, and what follows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class PermissionKind(StrEnum):
    """What an event says about offers to the customer."""

    SIGNED_UP = "signed_up"
    CLOSED = "closed"
    CONSENT_GRANTED = "consent_granted"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    SUBSCRIBED = "newsletter_subscribed"
    UNSUBSCRIBED = "newsletter_unsubscribed"


class LetGoReason(StrEnum):
    """Why no offer was made."""

    CUSTOMER_CLOSED = "customer_closed"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    NEWSLETTER_UNSUBSCRIBED = "newsletter_unsubscribed"


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """An event that allows offers or forbids them; those of one instant are taken by rank."""

    time: datetime
    rank: int
    source: str
    id: str
    kind: PermissionKind


_ACCOUNT: Final = frozenset({PermissionKind.SIGNED_UP, PermissionKind.CLOSED})
_FORBIDS: Final = {
    PermissionKind.CONSENT_WITHDRAWN: LetGoReason.CONSENT_WITHDRAWN,
    PermissionKind.UNSUBSCRIBED: LetGoReason.NEWSLETTER_UNSUBSCRIBED,
}


def closed_since(permissions: Iterable[Permission], at: datetime) -> datetime | None:
    """When the account was closed, if the last that was said of it up to `at` is that."""
    said = [each for each in permissions if each.kind in _ACCOUNT and each.time <= at]
    last = max(said, default=None)
    return last.time if last and last.kind is PermissionKind.CLOSED else None


def objection(permissions: Iterable[Permission], at: datetime) -> LetGoReason | None:
    """Why the customer must not be told of offers at `at`, by the last word on it up to then."""
    said = [each for each in permissions if each.kind not in _ACCOUNT and each.time <= at]
    last = max(said, default=None)
    return _FORBIDS.get(last.kind) if last else None
