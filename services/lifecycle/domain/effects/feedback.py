"""What scores, recommendations, complaints and the newsletter add to what is known."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from services.lifecycle.domain.effects.effect import NO_CAUSES, Effect
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
from services.lifecycle.domain.state.orders import Orders

_LOW: Final[Mapping[str, int]] = MappingProxyType({"nps": 6, "csat": 2, "review": 2})
"""Scores up to here put at risk; those above take the cause away."""
PROMOTER: Final = 9
BEST_REVIEW: Final = 5


def record_score(customer: Customer, happening: Happening, _: Policy, __: Orders | None) -> Effect:
    """A low score is a cause, one above the limit takes it away, the best are praise."""
    said = happening.content
    assert isinstance(said, Score)  # noqa: S101
    cause = f"score:{said.kind}"
    if said.score <= _LOW[said.kind]:
        return Effect(customer, EventKind.SCORED, frozenset({cause}))
    if customer.complaints or not _is_praise(said):
        return Effect(customer, EventKind.SCORED, NO_CAUSES, cause.__eq__)
    praised = replace(customer, evidence={**customer.evidence, said.kind: happening.time})
    return Effect(praised, EventKind.PRAISED, NO_CAUSES, cause.__eq__)


def _is_praise(said: Score) -> bool:
    if said.kind == "nps":
        return said.score >= PROMOTER
    return said.kind == "review" and said.public and said.score >= BEST_REVIEW


def record_referral(
    customer: Customer, happening: Happening, _: Policy, __: Orders | None
) -> Effect:
    """Evidence of an advocate."""
    evidence = {**customer.evidence, _reference(happening): happening.time}
    return Effect(replace(customer, evidence=evidence), EventKind.RECOMMENDED)


def annul_referral(
    customer: Customer, happening: Happening, _: Policy, __: Orders | None
) -> Effect:
    """Evidence falls away."""
    reference = _reference(happening)
    left = {name: at for name, at in customer.evidence.items() if name != reference}
    return Effect(replace(customer, evidence=left), EventKind.ANNULLED)


def _reference(happening: Happening) -> str:
    assert isinstance(happening.content, Referral)  # noqa: S101
    return f"referral:{happening.content.reference}"


def open_complaint(
    customer: Customer, happening: Happening, _: Policy, __: Orders | None
) -> Effect:
    """A complaint is open; from severity 2 on it is a cause at once."""
    said = _complaint(happening)
    complaint = customer.complaints.get(said.complaint_id) or Complaint(
        happening.time, said.severity, historical=happening.historical
    )
    opened = replace(customer, complaints={**customer.complaints, said.complaint_id: complaint})
    return Effect(opened, EventKind.COMPLAINED, _cause(said) if said.severity > 1 else NO_CAUSES)


def answer_complaint(
    customer: Customer, happening: Happening, _: Policy, __: Orders | None
) -> Effect:
    """Ends the waiting, and the cause that a mild complaint became by it."""
    said = _complaint(happening)
    complaint = customer.complaints.get(said.complaint_id)
    if complaint is None:
        return Effect(customer, EventKind.ANSWERED)
    answer_complaint = {**customer.complaints, said.complaint_id: replace(complaint, answered=True)}
    takes = _cause(said).__contains__ if complaint.severity == 1 else None
    return Effect(
        replace(customer, complaints=answer_complaint), EventKind.ANSWERED, NO_CAUSES, takes
    )


def resolve_complaint(
    customer: Customer, happening: Happening, _: Policy, __: Orders | None
) -> Effect:
    """The complaint is over, and its cause if the customer is satisfied."""
    said = _complaint(happening)
    left = {
        id: complaint for id, complaint in customer.complaints.items() if id != said.complaint_id
    }
    takes = _cause(said).__contains__ if said.satisfied else None
    return Effect(replace(customer, complaints=left), EventKind.RESOLVED, NO_CAUSES, takes)


def _cause(said: ComplaintDetails) -> frozenset[str]:
    return frozenset({f"complaint:{said.complaint_id}"})


def _complaint(happening: Happening) -> ComplaintDetails:
    assert isinstance(happening.content, ComplaintDetails)  # noqa: S101
    return happening.content


def unsubscribe(customer: Customer, _: Happening, __: Policy, ___: Orders | None) -> Effect:
    """Cancelling the newsletter is a cause."""
    return Effect(customer, EventKind.UNSUBSCRIBED, frozenset({NEWSLETTER}))


def subscribe(customer: Customer, _: Happening, __: Policy, ___: Orders | None) -> Effect:
    """Takes back what cancelling the newsletter gave."""
    return Effect(customer, EventKind.SUBSCRIBED, NO_CAUSES, NEWSLETTER.__eq__)
