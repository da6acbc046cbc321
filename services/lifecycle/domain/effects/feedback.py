"""The effects of scores, referrals, complaints and the newsletter."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from services.lifecycle.domain.effects.effect import NO_CAUSES, Effect, clears_only
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import NEWSLETTER, Customer
from services.lifecycle.domain.state.happenings import (
    ComplaintDetails,
    EventKind,
    Happening,
    Referral,
    Score,
)
from services.lifecycle.domain.state.open_items import Complaint
from shared.orders.book import OrderBook

_HIGHEST_LOW_SCORE: Final[Mapping[str, int]] = MappingProxyType({"nps": 6, "csat": 2, "review": 2})
"""Scores up to here put the customer at risk; those at least one above clear the cause."""
SLIGHT: Final = 1
"""The severity of a complaint that is no cause until it is overdue."""
PROMOTER: Final = 9
BEST_REVIEW: Final = 5


def record_score(
    customer: Customer, happening: Happening, _: Policy, __: OrderBook | None
) -> Effect:
    """Make a low score a cause, let a better one clear it, and take the best as praise."""
    score = happening.details
    assert isinstance(score, Score)  # noqa: S101
    cause = f"score:{score.kind}"
    highest_low = _HIGHEST_LOW_SCORE[score.kind]
    if score.score <= highest_low:
        return Effect(customer, EventKind.SCORED, frozenset({cause}))
    if score.score < highest_low + 1:
        return Effect(customer, EventKind.SCORED)
    if customer.complaints or not _is_praise(score):
        return Effect(customer, EventKind.SCORED, NO_CAUSES, clears_only(cause))
    praised = replace(customer, evidence={**customer.evidence, score.kind: happening.time})
    return Effect(praised, EventKind.PRAISED, NO_CAUSES, clears_only(cause))


def _is_praise(score: Score) -> bool:
    if score.kind == "nps":
        return score.score >= PROMOTER
    return score.kind == "review" and score.public and score.score >= BEST_REVIEW


def record_referral(
    customer: Customer, happening: Happening, _: Policy, __: OrderBook | None
) -> Effect:
    """Add a successful referral to the evidence of an advocate."""
    evidence = {**customer.evidence, _evidence_name(happening): happening.time}
    return Effect(replace(customer, evidence=evidence), EventKind.RECOMMENDED)


def annul_referral(
    customer: Customer, happening: Happening, _: Policy, __: OrderBook | None
) -> Effect:
    """Take a referral out of the evidence again."""
    annulled = _evidence_name(happening)
    left = {name: at for name, at in customer.evidence.items() if name != annulled}
    return Effect(replace(customer, evidence=left), EventKind.ANNULLED)


def _evidence_name(happening: Happening) -> str:
    referral = happening.details
    assert isinstance(referral, Referral)  # noqa: S101
    return f"referral:{referral.reference}"


def open_complaint(
    customer: Customer, happening: Happening, _: Policy, __: OrderBook | None
) -> Effect:
    """Open a complaint; from severity 2 on it is a cause at once.

    If it is open already, the higher severity counts, and the time of the first opening.
    """
    details = _complaint_details(happening)
    id = details.complaint_id
    complaint = customer.complaints.get(id)
    if complaint is None:
        complaint = Complaint(happening.time, details.severity, historical=happening.historical)
    elif details.severity > complaint.severity:
        complaint = replace(complaint, severity=details.severity)
    opened = replace(
        customer,
        complaints={**customer.complaints, id: complaint},
        never_answered=customer.never_answered - {id},
    )
    causes = frozenset({complaint_cause(id)}) if complaint.severity > SLIGHT else NO_CAUSES
    return Effect(opened, EventKind.COMPLAINED, causes)


def answer_complaint(
    customer: Customer, happening: Happening, _: Policy, __: OrderBook | None
) -> Effect:
    """Mark a complaint as answered; if it is slight, it is no cause any more, even if resolved."""
    id = _complaint_details(happening).complaint_id
    clears = clears_only(complaint_cause(id))
    complaint = customer.complaints.get(id)
    if complaint is not None:
        complaints = {**customer.complaints, id: replace(complaint, answered=True)}
        answered = replace(customer, complaints=complaints)
        is_slight = complaint.severity == SLIGHT
        return Effect(answered, EventKind.ANSWERED, NO_CAUSES, clears if is_slight else None)
    if id in customer.never_answered:
        answered = replace(customer, never_answered=customer.never_answered - {id})
        return Effect(answered, EventKind.ANSWERED, NO_CAUSES, clears)
    return Effect(customer, EventKind.ANSWERED)


def resolve_complaint(
    customer: Customer, happening: Happening, _: Policy, __: OrderBook | None
) -> Effect:
    """Close a complaint; it is no cause any more if the customer is satisfied."""
    details = _complaint_details(happening)
    resolved = details.complaint_id
    cause = complaint_cause(resolved)
    complaint = customer.complaints.get(resolved)
    left = {id: complaint for id, complaint in customer.complaints.items() if id != resolved}
    never_answered = customer.never_answered
    if details.satisfied:
        never_answered -= {resolved}
    elif complaint is not None and complaint.severity == SLIGHT and cause in customer.causes:
        never_answered |= {resolved}
    closed = replace(customer, complaints=left, never_answered=never_answered)
    clears = clears_only(cause) if details.satisfied else None
    return Effect(closed, EventKind.RESOLVED, NO_CAUSES, clears)


def complaint_cause(id: str) -> str:
    """Return the name of the cause that a complaint may be."""
    return f"complaint:{id}"


def _complaint_details(happening: Happening) -> ComplaintDetails:
    assert isinstance(happening.details, ComplaintDetails)  # noqa: S101
    return happening.details


def unsubscribe(customer: Customer, _: Happening, __: Policy, ___: OrderBook | None) -> Effect:
    """Make the cancelled newsletter a cause."""
    return Effect(customer, EventKind.UNSUBSCRIBED, frozenset({NEWSLETTER}))


def subscribe(customer: Customer, _: Happening, __: Policy, ___: OrderBook | None) -> Effect:
    """Clear the cause of the cancelled newsletter."""
    return Effect(customer, EventKind.SUBSCRIBED, NO_CAUSES, clears_only(NEWSLETTER))
