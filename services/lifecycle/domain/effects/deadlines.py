"""The effects of deadlines that pass."""

from datetime import datetime

from msgspec.structs import replace

from services.lifecycle.domain.effects.contracts import end_contracts
from services.lifecycle.domain.effects.effect import Effect
from services.lifecycle.domain.effects.feedback import complaint_cause
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import CONTACT, SILENCE, Customer
from services.lifecycle.domain.state.happenings import EventKind
from shared.bounds import later


def begin_silence(customer: Customer, _: datetime, __: Policy) -> Effect:
    """Make silence a cause of being at risk."""
    return Effect(customer, EventKind.SILENCE, frozenset({SILENCE}))


def fade_contact(customer: Customer, _: datetime, __: Policy) -> Effect:
    """Make the lack of contact a cause; it is measured anew from the next contact."""
    faded = replace(customer, contact_at=None)
    return Effect(faded, EventKind.CONTACT_FADED, frozenset({CONTACT}))


def mark_overdue_complaints(customer: Customer, instant: datetime, policy: Policy) -> Effect:
    """Make those complaints a cause that have waited too long for an answer."""
    overdue = {
        id: replace(complaint, overdue=True)
        for id, complaint in customer.complaints.items()
        if complaint.waits and later(complaint.opened_at, policy.complaint_overdue) <= instant
    }
    marked = replace(customer, complaints={**customer.complaints, **overdue})
    causes = frozenset(map(complaint_cause, overdue))
    return Effect(marked, EventKind.COMPLAINT_OVERDUE, causes)


def end_due_contracts(customer: Customer, instant: datetime, policy: Policy) -> Effect:
    """End the contracts that have run out, which may end the relationship, or else is no event."""
    ended = {id: c for id, c in customer.contracts.items() if c.end(policy) <= instant}
    return end_contracts(customer, ended, EventKind.CONTRACT_DROPPED)
