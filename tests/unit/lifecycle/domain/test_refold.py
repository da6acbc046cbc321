"""Refolds by another edition: what the rules alone bring is history, what events bring is not."""

from services.lifecycle.domain.edition import EDITION, is_outdated
from services.lifecycle.domain.fold import fold
from services.lifecycle.domain.refold import mark_historical
from services.lifecycle.domain.state.customer import Customer
from tests.support.batches import SCHEDULE, incoming
from tests.support.builders import day, order


def test_moves_of_known_events_are_history_and_those_of_new_ones_are_not() -> None:
    known = [incoming(order("ann", n)).content for n in range(3)]
    new = incoming(order("ann", 200)).content
    alone = fold(known, SCHEDULE, until=day(100))
    folded = mark_historical(fold([*known, new], SCHEDULE), alone)
    assert [(move.rule, move.historical) for move in folded.moves] == [
        ("first_purchase", True),
        ("habit_formed", True),
        ("silence_begins", True),
        ("fell_silent", False),
        ("returned", False),
    ]
    assert folded.customer == fold([*known, new], SCHEDULE).customer


def test_hints_that_the_rules_alone_bring_are_not_given() -> None:
    known = [incoming(order("ann", 0)).content]
    alone = fold(known, SCHEDULE, until=day(20))
    assert alone.hints
    folded = mark_historical(fold(known, SCHEDULE, until=day(60)), alone)
    assert all(hint.at > day(20) for hint in folded.hints)


def test_a_folded_state_says_by_which_edition_and_an_older_one_is_outdated() -> None:
    customer = fold([], SCHEDULE).customer
    assert customer.edition == EDITION
    assert not is_outdated(customer)
    assert is_outdated(Customer()), "as stored before states said so"
