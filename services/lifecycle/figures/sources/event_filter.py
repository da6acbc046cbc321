"""Which events count: those of customers who are not merged, perhaps of one kind of account."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from services.lifecycle.figures.period import Account

Statements: TypeAlias = Mapping[Account | None, str]
"""A statement for all customers and one for each kind of account, joined to suit the indexes."""

COUNTED_EVENTS: Final = "(the event e counts)"
"""A placeholder for the condition on a table `e` by `customer_key`; the account is $3."""

_NOT_MERGED: Final = """
$3::text IS NULL AND NOT EXISTS (
    SELECT FROM customer AS m
    WHERE m.key = e.customer_key AND m.phase IS NULL AND m.merged_into IS NOT NULL
)
"""
"""Nobody who is merged has a phase: an index finds them by that."""
_OF_ACCOUNT: Final = "e.customer_key IN (SELECT c.key FROM customer AS c WHERE c.account = $3)"
"""Nobody who is merged has an account."""


def statements(text: str) -> Statements:
    """The statements that a text with COUNTED_EVENTS stands for."""
    everybody, some = (
        text.replace(COUNTED_EVENTS, condition) for condition in (_NOT_MERGED, _OF_ACCOUNT)
    )
    return MappingProxyType({None: everybody, "b2c": some, "b2b": some})
