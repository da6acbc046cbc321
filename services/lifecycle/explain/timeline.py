"""What the lifecycle API shows of events, and of all that happened to a customer in order of time."""

from typing import Annotated, Any, Final, Literal, Self, TypeAlias

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from services.lifecycle.api.transitions import SILENT, TransitionView
from services.lifecycle.customers.schemas import LAPSE, LAST_ORDER, Naming
from services.lifecycle.domain.phase_models import CustomerFact
from services.lifecycle.explain.repository import Hinted, StoredEvent, StoredTransition
from shared.http import Instant, Page

_LEVELS: Final = 100
"""Data nested deeper is shown as text."""


class EventView(BaseModel):
    """One event of the customer."""

    type: str = Field(
        description="What happened: a type of the catalogue.", examples=["order.completed"]
    )
    time: Instant = Field(description="When it happened.", examples=[LAST_ORDER])
    recorded_at: Instant = Field(
        description="The clock of the customer's partition when it was recorded."
    )
    source: str = Field(description="Who sent it.", examples=["/shop"])
    id: str = Field(description="Its id.", examples=["o-1001"])
    historical: bool = Field(description="From an import of history.")
    merged_from: str | None = Field(
        description="The id under which it came in, of a customer merged into this one; null: under this one.",
        examples=["customer-0"],
    )
    data: Any = Field(
        description="By type, as `GET /v1/event-types` of ingest says; as text where it cannot be shown otherwise.",
        examples=[{"order_id": "o-1001", "total": {"amount": 5990, "currency": "EUR"}}],
    )

    @classmethod
    def of(cls, told: StoredEvent) -> Self:
        """The view of a stored event."""
        return cls.model_validate(_event(told))


def _event(told: StoredEvent) -> dict[str, Any]:
    event = told.event
    return {
        "type": event.type,
        "time": event.time,
        "recorded_at": told.recorded_at,
        "source": event.source,
        "id": event.id,
        "historical": event.historical,
        "merged_from": event.mergedfrom,
        "data": _data(event.data),
    }


def _data(raw: msgspec.Raw) -> Any:
    """The data of an event; numbers beyond all ranges, or too many levels, leave it as text."""
    try:
        data = msgspec.json.decode(raw)
    except msgspec.MsgspecError:
        return bytes(raw).decode()
    return bytes(raw).decode() if _is_deep(data) else data


def _is_deep(data: Any) -> bool:
    level = [data]
    for _ in range(_LEVELS):
        nested = [part for part in level if isinstance(part, dict | list)]
        level = [
            part
            for outer in nested
            for part in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)


class EventEntry(EventView):
    """An event."""

    kind: Literal["event"] = Field(default="event", description="What kind of entry this is.")


class TransitionEntry(TransitionView):
    """A transition."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{**SILENT, "kind": "transition", "time": LAPSE, "withdrawn_at": None}]
        }
    )

    kind: Literal["transition"] = Field(
        default="transition", description="What kind of entry this is."
    )
    time: Instant = Field(description="When it occurred.", examples=[LAPSE])
    withdrawn_at: Instant | None = Field(
        default=None, description="The clock of that correction; null: it holds."
    )


class HintEntry(BaseModel):
    """A hint that was given to the shop."""

    kind: Literal["hint"] = Field(default="hint", description="What kind of entry this is.")
    time: Instant = Field(description="When it was given.")
    name: str = Field(description="Which hint.", examples=["survey.due"])
    occasion: str = Field(
        description="What it was given for: the same is not given twice.", examples=["o-1001"]
    )


TimelineEntry: TypeAlias = Annotated[
    EventEntry | TransitionEntry | HintEntry, Field(discriminator="kind")
]


def entry(
    of: StoredEvent | StoredTransition | Hinted, facts: frozenset[CustomerFact], naming: Naming
) -> EventEntry | TransitionEntry | HintEntry:
    """The view of an entry; `facts` held when it happened."""
    if isinstance(of, StoredEvent):
        return EventEntry.model_validate(_event(of))
    if isinstance(of, Hinted):
        return HintEntry(time=of.at, name=of.name, occasion=of.occasion)
    view = TransitionView.of(of.transition, of.withdrawn, facts, naming)
    return TransitionEntry(
        **view.model_dump(by_alias=True),
        time=of.transition.occurred_at,
        withdrawn_at=of.withdrawn_at,
    )


class TimelinePage(Page[TimelineEntry]):
    """A part of all that happened to a customer, newest first."""

    as_of: Instant = Field(description="The clock of the customer's partition.")
