"""What reactivation announces on winback-events.v1: the records, and which a change makes."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from services.reactivation.domain.cases import Case, Offer
from services.reactivation.domain.changes import OPENING, CaseChange, CaseEvent
from services.reactivation.events import REGROUPED
from shared.events import envelope
from shared.events.envelope import Envelope
from shared.ids import stable_text
from shared.kafka.topics import WINBACK_EVENTS
from shared.stream.batch import Incoming
from shared.stream.outgoing.outbox import Message

SOURCE: Final = "/reactivation"


class AnnouncedTrigger(msgspec.Struct, frozen=True):
    """The transition that opened a case."""

    rule: str
    to: str
    occurred_at: datetime


class AnnouncedIncentive(msgspec.Struct, frozen=True):
    """What is offered: `value` percent off one order."""

    kind: str
    value: int


class _CaseRecord(msgspec.Struct, frozen=True):
    """What all records share; `version` counts the records about one case, without gaps.

    Of two records about a case, the one with the higher version holds.
    """

    case_id: UUID
    customer: str
    version: int
    recorded_at: datetime


class CaseOpened(_CaseRecord, frozen=True):
    """`case.opened`; again after a cancellation if the transition holds after all."""

    opened_at: datetime
    trigger: AnnouncedTrigger


class OfferMade(_CaseRecord, frozen=True):
    """`offer.made`: the shop should tell the customer."""

    code: str
    incentive: AnnouncedIncentive
    made_at: datetime
    expires_at: datetime


class CaseClosed(_CaseRecord, frozen=True):
    """`case.closed`; again if late events changed how it ended.

    `with_code` is false if the customer came back without using the code; `reason` says why a case
    was let go.
    """

    state: str
    closed_at: datetime
    order_id: str | None
    with_code: bool
    reason: str | None


class CaseReopened(_CaseRecord, frozen=True):
    """`case.reopened`: the order that ended it was undone, and it runs again until `due_at`."""

    due_at: datetime | None


class CaseCancelled(_CaseRecord, frozen=True):
    """`case.cancelled`: there was nothing to win back, and the state until then (`was`) is void."""

    reason: str
    was: str


def messages_of(change: CaseChange, partition: int, recorded_at: datetime) -> list[Message]:
    """The records of a change, in order; the same change makes the same ids again."""
    case = change.case
    first = case.version - len(change.events) + 1
    return [
        Message(
            partition, WINBACK_EVENTS, case.customer, _encode(change, event, version, recorded_at)
        )
        for version, event in enumerate(change.events, first)
    ]


def _encode(change: CaseChange, event: CaseEvent, version: int, recorded_at: datetime) -> bytes:
    case = change.case
    return envelope.encode(
        Envelope(
            id=stable_text("reactivation", str(case.id), str(version)),
            source=SOURCE,
            type=event,
            subject=case.customer,
            time=case.lapse.occurred_at if event in OPENING else case.ended_at or recorded_at,
            data=envelope.pack(_record(change, event, version, recorded_at)),
        )
    )


def _record(
    change: CaseChange, event: CaseEvent, version: int, recorded_at: datetime
) -> _CaseRecord:
    case = change.case
    head = (case.id, case.customer, version, recorded_at)
    match event:
        case CaseEvent.CASE_OPENED:
            lapse = case.lapse
            trigger = AnnouncedTrigger(lapse.rule, lapse.phase, lapse.occurred_at)
            return CaseOpened(*head, lapse.occurred_at, trigger)
        case CaseEvent.OFFER_MADE:
            offer = _offer_of(case)
            incentive = AnnouncedIncentive("percent", offer.percent)
            return OfferMade(*head, offer.code, incentive, offer.made_at, offer.expires_at)
        case CaseEvent.CASE_CLOSED:
            closed_at = case.ended_at or recorded_at
            return CaseClosed(
                *head, case.state, closed_at, case.order_id, bool(case.with_code), case.reason
            )
        case CaseEvent.CASE_REOPENED:
            return CaseReopened(*head, case.due)
        case CaseEvent.CASE_CANCELLED:
            was = change.before.state if change.before else case.state
            return CaseCancelled(*head, case.reason or "", was)


def _offer_of(case: Case) -> Offer:
    assert case.offer is not None  # noqa: S101  (an offer is announced where there is one)
    return case.offer


def regrouped(customer: str, cause: Incoming, partition: int) -> Message:
    """Ask the owner of a customer to fold it again, for a record of an id that belongs to it."""
    place = (cause.topic, str(cause.partition), str(cause.offset))
    request = Envelope(
        id=stable_text(REGROUPED, customer, *place),
        source=SOURCE,
        type=REGROUPED,
        subject=customer,
        time=cause.event.time,
    )
    return Message(partition, WINBACK_EVENTS, customer, envelope.encode(request))
