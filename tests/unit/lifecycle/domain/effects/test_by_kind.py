"""The tables from kind to effect: what is in them, and what is not."""

import pytest

from services.lifecycle.domain.effects.by_kind import (
    DEADLINE_EFFECTS,
    EVENT_EFFECTS,
    apply_deadline,
    apply_event,
)
from services.lifecycle.domain.effects.effect import Effect, update_causes
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import CONTACT, SILENCE, Customer
from services.lifecycle.domain.state.happenings import (
    ACTIVITY,
    CUSTOMER_ACTIONS,
    DEADLINE_KINDS,
    PURCHASES,
    EventKind,
    Happening,
)
from services.lifecycle.domain.state.phases import Phase
from tests.support.builders import day

WITHOUT_EFFECT = sorted(set(EventKind) - DEADLINE_KINDS - set(EVENT_EFFECTS))


def test_events_and_deadlines_have_tables_of_their_own() -> None:
    assert not set(EVENT_EFFECTS) & DEADLINE_KINDS
    assert set(DEADLINE_EFFECTS) <= DEADLINE_KINDS


def test_every_action_of_a_customer_is_a_purchase_or_other_activity() -> None:
    assert PURCHASES | ACTIVITY == CUSTOMER_ACTIONS
    assert not PURCHASES & ACTIVITY
    assert not CUSTOMER_ACTIONS & DEADLINE_KINDS


@pytest.mark.parametrize("kind", WITHOUT_EFFECT)
def test_any_other_event_changes_only_when_the_customer_was_seen(kind: EventKind) -> None:
    happening = Happening(day(1), 0, "/shop", "e", kind)
    effect = apply_event(Customer(), happening, Policy(), None)
    contact_at = day(1) if kind is EventKind.SEEN else None
    assert effect == Effect(Customer(last_event=happening.key, contact_at=contact_at), kind)


@pytest.mark.parametrize("kind", sorted(DEADLINE_KINDS - set(DEADLINE_EFFECTS)))
def test_any_other_deadline_changes_only_what_was_reached(kind: EventKind) -> None:
    effect = apply_deadline(Customer(), kind, day(1), Policy())
    assert effect == Effect(Customer(reached=day(1)), kind)


@pytest.mark.parametrize("kind", sorted(ACTIVITY - set(EVENT_EFFECTS)))
def test_activity_ends_a_gap_in_contact(kind: EventKind) -> None:
    at_risk = Customer(phase=Phase.AT_RISK, causes=frozenset({CONTACT, SILENCE}))
    happening = Happening(day(1), 0, "/shop", "e", kind)
    customer = apply_event(at_risk, happening, Policy(), None).customer
    assert (customer.causes, customer.contact_at) == (frozenset({SILENCE}), day(1))


def test_causes_are_kept_only_at_risk() -> None:
    new = Customer(phase=Phase.NEW)
    at_risk = Customer(phase=Phase.AT_RISK, causes=frozenset({CONTACT}))
    silence = frozenset({SILENCE})
    assert update_causes(Effect(new, EventKind.SILENCE, silence)).customer is new
    both = update_causes(Effect(at_risk, EventKind.SILENCE, silence)).customer
    assert both.causes == {CONTACT, SILENCE}
    instead = update_causes(Effect(at_risk, EventKind.SILENCE, silence, CONTACT.__eq__)).customer
    assert instead.causes == silence
