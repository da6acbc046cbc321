"""Events of one customer, of any type, in few words: `does("page.viewed", 0)`."""

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from tests.support.builders import event

RawEvent: TypeAlias = dict[str, Any]
CUSTOMER: Final = "ada"


def does(kind: str, /, *at: float, **data: Any) -> list[RawEvent]:
    """Return events of a type, one for each day; an id is made of type and day."""
    return [event(CUSTOMER, kind, each, id=f"{kind} {each:g}", **data) for each in at]


def imported(events: Iterable[RawEvent]) -> list[RawEvent]:
    """Return the events as history that is imported later."""
    return [{**raw, "historical": True} for raw in events]


def again(events: Iterable[RawEvent], **changes: str) -> list[RawEvent]:
    """Return the events told again, with some of their attributes changed."""
    return [{**raw, **changes} for raw in events]
