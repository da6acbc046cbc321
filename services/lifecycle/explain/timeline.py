"""What the lifecycle API shows of all that happened to a customer, in order of time."""

from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from services.lifecycle.api.events import EventView
from services.lifecycle.api.fields import LAPSE, LAST_ORDER
from services.lifecycle.api.phase_names import Naming
from services.lifecycle.api.transitions import EXAMPLE_TRANSITION, TransitionView
from services.lifecycle.domain.phase_models import CustomerFact
from services.lifecycle.domain.words.remarks import why_set_aside, why_without_effect
from services.lifecycle.explain.repository import (
    EntryContent,
    RemarkedEvent,
    StoredDeadLetter,
    StoredHint,
)
from shared.events.payload import is_test
from shared.http import Instant, Page


class EventEffect(StrEnum):
    """Whether the history takes an event into account."""

    TAKEN = "taken"
    WITHOUT_EFFECT = "without_effect"
    WAITING = "waiting"
    TEST = "test"


class EventEntry(EventView):
    """An event."""

    kind: Literal["event"] = Field(default="event", description="What kind of entry this is.")
    effect: EventEffect = Field(
        description="`taken` into account; `without_effect` or `waiting` for a `reason`; or a"
        " `test`, which changes nothing.",
        examples=["taken"],
    )
    reason: str | None = Field(
        description="Why it has had no effect, as a code; null: it has, or is a test.",
        examples=["refund_repeated"],
    )
    because: str | None = Field(
        description="The same in words.",
        examples=["a refund with the same refund_id was counted before"],
    )


class TransitionEntry(TransitionView):
    """A transition."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {**EXAMPLE_TRANSITION, "kind": "transition", "time": LAPSE, "withdrawn_at": None}
            ]
        }
    )

    kind: Literal["transition"] = Field(
        default="transition", description="What kind of entry this is."
    )
    time: Instant = Field(description="When it happened.", examples=[LAPSE])
    withdrawn_at: Instant | None = Field(
        default=None, description="The clock of the correction that withdrew it; null: it holds."
    )


class HintEntry(BaseModel):
    """A hint that was given to the shop."""

    kind: Literal["hint"] = Field(default="hint", description="What kind of entry this is.")
    time: Instant = Field(description="When it was given.")
    name: str = Field(description="Which hint.", examples=["survey.due"])
    occasion: str = Field(
        description="What it was given for; the same hint is not given for it twice.",
        examples=["o-1001"],
    )


class DeadLetterEntry(EventView):
    """An event that was set aside: it is not part of the customer's history."""

    kind: Literal["dead_letter"] = Field(
        default="dead_letter", description="What kind of entry this is."
    )
    time: Instant = Field(
        description="When it happened; `recorded_at` if its own time cannot be read.",
        examples=[LAST_ORDER],
    )
    reason: str = Field(description="Why, as a code.", examples=["conflicting_duplicate"])
    because: str = Field(
        description="Why, in words.",
        examples=["other content came under this id before; what came first holds"],
    )


TimelineEntry: TypeAlias = Annotated[
    EventEntry | TransitionEntry | HintEntry | DeadLetterEntry, Field(discriminator="kind")
]


def entry_view(
    content: EntryContent, facts: frozenset[CustomerFact], naming: Naming
) -> TimelineEntry:
    """The view of an entry; `facts` held when it happened."""
    if isinstance(content, RemarkedEvent):
        return _event(content)
    if isinstance(content, StoredDeadLetter):
        return _dead_letter(content)
    if isinstance(content, StoredHint):
        return HintEntry(time=content.at, name=content.name, occasion=content.occasion)
    view = TransitionView.of(content.transition, content.withdrawn, facts, naming)
    return TransitionEntry(
        **view.model_dump(by_alias=True),
        time=content.transition.occurred_at,
        withdrawn_at=content.withdrawn_at,
    )


def _event(content: RemarkedEvent) -> EventEntry:
    view = EventView.of(content.event, content.recorded_at)
    reason = content.reason
    return EventEntry(
        **view.model_dump(),
        effect=_effect(content),
        reason=reason,
        because=None if reason is None else why_without_effect(reason),
    )


def _effect(content: RemarkedEvent) -> EventEffect:
    if content.reason is not None:
        return EventEffect.WAITING if content.waits else EventEffect.WITHOUT_EFFECT
    return EventEffect.TEST if is_test(content.event.data) else EventEffect.TAKEN


def _dead_letter(letter: StoredDeadLetter) -> DeadLetterEntry:
    view = EventView.of(letter.event, letter.recorded_at)
    return DeadLetterEntry(
        **view.model_dump(), reason=letter.reason, because=why_set_aside(letter.reason)
    )


class TimelinePage(Page[TimelineEntry]):
    """A part of all that happened to a customer, newest first."""

    as_of: Instant = Field(description="The clock of the customer's partition.")
