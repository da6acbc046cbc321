"""What the lifecycle API shows of transitions."""

from typing import Any, Final, Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from services.lifecycle.api.fields import (
    CUSTOMER,
    IN_MAY,
    LABEL,
    LAPSE,
    LAST_ORDER,
    MODEL,
    NEXT_LAPSE,
    VIEW,
    MoneyView,
    OutlookView,
    PolicyView,
)
from services.lifecycle.api.phase_names import Naming
from services.lifecycle.domain.phase_models import CustomerFact, Model
from services.lifecycle.domain.state.phases import Phase
from shared.events.transitions import Transition
from shared.http import Instant, Page

_FIRST_ORDER: Final = {"amount": 5990, "currency": "EUR"}
EXAMPLE_EVIDENCE: Final[Any] = {"events": [{"source": "/shop", "id": "o-1001"}], "deadline": None}
"""The evidence of a first order in May."""
EXAMPLE_PROFILE: Final[Any] = {
    "orders": 1,
    "revenue": [_FIRST_ORDER],
    "margin": [],
    "first_order_at": IN_MAY,
    "last_order_at": IN_MAY,
    "deadlines": {"silence_begins": "2024-07-30T12:00:00Z"},
    "order": {"order_id": "o-1001", "total": _FIRST_ORDER, "coupon": "WELCOME"},
    "causes": [],
    "outlook": None,
}
"""The profile of a customer who has just bought for the first time."""
EXAMPLE_TRANSITION: Final[Any] = {
    "customer": "customer-1",
    "version": 4,
    "position": 4,
    "from": "established",
    "from_view": "active",
    "from_label": "active",
    "to": "at_risk",
    "model": "cxm",
    "view": "active",
    "label": "active",
    "rule": "silence_begins",
    "occurred_at": LAPSE,
    "recorded_at": LAPSE,
    "evidence": {"events": [], "deadline": LAPSE},
    "policy": {"name": "default", "version": 1},
    "episode": 1,
    "historical": False,
    "profile": {
        "orders": 3,
        "revenue": [{"amount": 17970, "currency": "EUR"}],
        "margin": [],
        "first_order_at": "2024-01-02T12:00:00Z",
        "last_order_at": LAST_ORDER,
        "deadlines": {"fell_silent": NEXT_LAPSE},
        "order": None,
        "causes": ["silence"],
        "outlook": None,
    },
    "withdrawn": None,
}
"""A transition by time alone, of a customer who has bought three times."""


class EventRefView(BaseModel):
    """One of the customer's events."""

    source: str = Field(description="Who sent it.", examples=["/shop"])
    id: str = Field(description="Its id.", examples=["o-1001"])


class TransitionEvidence(BaseModel):
    """Why a transition happened: the events, or the deadline that passed."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_EVIDENCE]})

    events: list[EventRefView] = Field(default=[], description="The events; empty: time alone.")
    deadline: Instant | None = Field(
        default=None,
        description="The deadline that passed; null: it was an event.",
        examples=[LAPSE],
    )


class OrderView(BaseModel):
    """The order that caused a transition."""

    order_id: str = Field(description="The shop's id of the order.", examples=["o-1001"])
    total: MoneyView = Field(description="What the customer paid.")
    coupon: str | None = Field(
        default=None, description="The code that was redeemed; null: none.", examples=["WELCOME"]
    )


class ProfileView(BaseModel):
    """What was known of the customer right after a transition."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_PROFILE]})

    orders: int = Field(
        description="Number of orders, without those that were undone.", examples=[3]
    )
    revenue: list[MoneyView] = Field(
        description="One sum per currency: all orders, less what was undone."
    )
    margin: list[MoneyView] = Field(
        description="Contribution margins likewise, of the orders that state one."
    )
    first_order_at: Instant | None = Field(
        description="When the first order was completed; null: there is none."
    )
    last_order_at: Instant | None = Field(
        description="When the last order was completed; null: there is none.", examples=[LAST_ORDER]
    )
    deadlines: dict[str, Instant] = Field(
        description="When time alone would fire each rule.", examples=[{"fell_silent": NEXT_LAPSE}]
    )
    order: OrderView | None = Field(
        description="The order that caused the transition; null: no order did."
    )
    causes: list[str] = Field(
        description="Why the customer is at risk: the first 50 causes; empty otherwise.",
        examples=[["silence"]],
    )
    more_causes: int = Field(0, description="How many more causes there are.")
    outlook: OutlookView | None = Field(
        description="What the cadence model expected; null without a fit, or without an order."
    )


class TransitionView(BaseModel):
    """One transition, with why it happened and what was known then.

    The views of both phases are as of `occurred_at`.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_TRANSITION]})

    customer: str = CUSTOMER
    version: int = Field(
        description="Version of the record that published it: 1, 2, … for each customer.",
        examples=[4],
    )
    position: int = Field(description="Its place in the current history, from 1.", examples=[4])
    from_: Phase | None = Field(
        serialization_alias="from",
        validation_alias="from",
        description="The phase before; null: the customer was not known yet.",
        examples=["established"],
    )
    from_view: str | None = Field(
        description="What that phase is in the model; null likewise.", examples=["active"]
    )
    from_label: str | None = Field(
        description="That view in the language of the answer.", examples=["active"]
    )
    to: Phase = Field(description="The phase that it led to.", examples=["at_risk"])
    model: Model | None = MODEL
    view: str = VIEW
    label: str = LABEL
    rule: str = Field(description="The rule that fired.", examples=["silence_begins"])
    occurred_at: Instant = Field(
        description="When it happened, by event time; for a deadline, when it was due.",
        examples=[LAPSE],
    )
    recorded_at: Instant = Field(
        description="The clock of the customer's partition when it was recorded."
    )
    evidence: TransitionEvidence = Field(description="Why it happened.")
    policy: PolicyView = Field(description="The policy in force then.")
    episode: int = Field(description="1 at first, one more with every return.", examples=[1])
    historical: bool = Field(description="Too far back, or imported: nobody acts on it.")
    profile: ProfileView = Field(description="What was known of the customer right after it.")
    withdrawn: int | None = Field(
        default=None,
        description="Version of the correction that withdrew it; null: it holds.",
        examples=[5],
    )

    @classmethod
    def of(
        cls,
        transition: Transition,
        withdrawn: int | None,
        facts: frozenset[CustomerFact],
        naming: Naming,
    ) -> Self:
        """Make the view of a stored transition; `facts` held when it happened."""
        view, label = naming.view(Phase(transition.to), facts)
        if transition.from_ is None:
            before: tuple[str | None, str | None] = (None, None)
        else:
            before = naming.view(Phase(transition.from_), facts)
        return cls.model_validate(
            {
                **msgspec.to_builtins(transition),
                "model": naming.model,
                "view": view,
                "label": label,
                "from_view": before[0],
                "from_label": before[1],
                "withdrawn": withdrawn,
            }
        )


class HistoryPage(Page[TransitionView]):
    """A part of a customer's history, the newest first."""

    as_of: Instant = Field(description="The clock of the customer's partition.")
