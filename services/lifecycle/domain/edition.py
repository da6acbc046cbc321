"""The edition of the rules: a state says by which one it was folded."""

from typing import Final

from services.lifecycle.domain.state.customer import Customer

EDITION: Final = 1
"""Add 1 with every change by which the same events may give another state or other moves."""


def unknown_customer(known: int) -> Customer:
    """Return the state before the first event; `known` as in Customer."""
    return Customer(known=known, edition=EDITION)


def is_outdated(customer: Customer) -> bool:
    """Was the state folded by another edition of the rules?"""
    return customer.edition != EDITION
