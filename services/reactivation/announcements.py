"""What reactivation publishes on winback-events.v1: the contract, and the records of a change."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from services.reactivation.domain.changes import OPENING, Change, Fact
from shared.events import envelope
from shared.events.envelope import Envelope
from shared.ids import stable_text
from shared.kafka.topics import WINBACK_EVENTS
from shared.stream.outgoing.outbox import Message

SOURCE: Final = "/reactivation"


class Trigger(msgspec.Struct, frozen=True):
    """The transition that opened a case."""

    rule: str
    to: str
    occurred_at: datetime


class Incentive(msgspec.Struct, frozen=True):
    """What is offered: `value` percent off one order."""

    kind: str
    value: int


class _Fact(msgspec.Struct, frozen=True):
    """`version` counts the records about one case, gap-free: of two records the one with the higher version holds."""

    case_id: UUID
    customer: str
    version: int
    recorded_at: datetime


class CaseOpened(_Fact, frozen=True):
    """case.opened; again after a cancellation if the transition turned out to hold after all."""

    opened_at: datetime
    trigger: Trigger


class OfferMade(_Fact, frozen=True):
    """offer.made: the shop tells the customer."""

    code: str
    incentive: Incentive
    made_at: datetime
    expires_at: datetime


class CaseClosed(_Fact, frozen=True):
    """case.closed; again if late events changed how it ended. `with_code` false: returned by itself after the offer."""

    state: str
    closed_at: datetime
    order_id: str | None
    with_code: bool


class CaseCancelled(_Fact, frozen=True):
    """case.cancelled: there was nothing to win back; `was` is what the case was until then, and no longer counts."""

    reason: str
    was: str


def messages(change: Change, partition: int, recorded_at: datetime) -> list[Message]:
    """The records of a change, in order; the same change has the same ids again."""
    first = change.case.version - len(change.facts) + 1
    return [
        Message(
            partition,
            WINBACK_EVENTS,
            change.case.customer,
            _record(change, fact, version, recorded_at),
        )
        for version, fact in enumerate(change.facts, first)
    ]


def _record(change: Change, fact: Fact, version: int, recorded_at: datetime) -> bytes:
    case, opening = change.case, fact in OPENING
    return envelope.encode(
        Envelope(
            id=stable_text("reactivation", str(case.id), str(version)),
            source=SOURCE,
            type=fact,
            subject=case.customer,
            time=case.lapse.occurred_at if opening else case.ended_at or recorded_at,
            data=envelope.pack(_data(change, fact, version, recorded_at)),
        )
    )


def _data(change: Change, fact: Fact, version: int, recorded_at: datetime) -> _Fact:
    case, lapse, offer = change.case, change.case.lapse, change.case.offer
    head = case.id, case.customer, version, recorded_at
    match fact:
        case Fact.CASE_OPENED:
            return CaseOpened(
                *head, lapse.occurred_at, Trigger(lapse.rule, lapse.phase, lapse.occurred_at)
            )
        case Fact.OFFER_MADE:
            return OfferMade(
                *head,
                offer.code,
                Incentive("percent", offer.percent),
                offer.made_at,
                offer.expires_at,
            )
        case Fact.CASE_CLOSED:
            return CaseClosed(
                *head, case.state, case.ended_at or recorded_at, case.order_id, bool(case.with_code)
            )
        case Fact.CASE_CANCELLED:
            return CaseCancelled(
                *head, case.reason or "", change.before.state if change.before else case.state
            )
