"""Whose events and transitions count: those of all customers, or of one kind of account."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from services.lifecycle.figures.period import Account

Statements: TypeAlias = Mapping[Account | None, str]
"""A statement for each kind of account, and one for all customers (None); the account is $3."""

COUNTED_EVENTS: Final = "(the event e counts)"
"""A placeholder for a condition on the table `e` of events."""
COUNTED_TRANSITIONS: Final = "(the transition t counts)"
"""A placeholder behind the table `t` of transitions: a join, and the first condition of WHERE."""

_NOT_MERGED: Final = """
$3::text IS NULL AND NOT EXISTS (
    SELECT FROM customer AS m
    WHERE m.key = e.customer_key AND m.phase IS NULL AND m.merged_into IS NOT NULL
)
"""
"""Nobody who is merged has a phase: an index finds them by that."""
_OF_ACCOUNT: Final = "e.customer_key IN (SELECT c.key FROM customer AS c WHERE c.account = $3)"
"""Nobody who is merged has an account."""
_ALL_TRANSITIONS: Final = "WHERE $3::text IS NULL"
_TRANSITIONS_OF_ACCOUNT: Final = (
    "JOIN customer AS c ON c.customer = t.customer WHERE c.account = $3"
)


def event_statements(text: str) -> Statements:
    """The statements that a text with COUNTED_EVENTS stands for."""
    return _statements(text, COUNTED_EVENTS, _NOT_MERGED, _OF_ACCOUNT)


def transition_statements(text: str) -> Statements:
    """The statements that a text with COUNTED_TRANSITIONS stands for."""
    return _statements(text, COUNTED_TRANSITIONS, _ALL_TRANSITIONS, _TRANSITIONS_OF_ACCOUNT)


def _statements(text: str, placeholder: str, everybody: str, of_account: str) -> Statements:
    one_kind = text.replace(placeholder, of_account)
    everyone = text.replace(placeholder, everybody)
    return MappingProxyType({None: everyone, "b2c": one_kind, "b2b": one_kind})
