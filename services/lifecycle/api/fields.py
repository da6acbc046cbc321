"""Fields and small views that the schemas of several nouns share."""

from collections.abc import Collection
from typing import Any, Final, Self

import msgspec
from pydantic import BaseModel, Field

from services.lifecycle.api.phase_names import Naming
from services.lifecycle.domain.phase_models import CustomerFact
from services.lifecycle.domain.state.customer import Move
from services.lifecycle.domain.state.phases import Phase
from shared.events.transitions import Outlook
from shared.http import Instant

CUSTOMER: Final[Any] = Field(description="The customer's id.", examples=["customer-1"])
PHASE: Final[Any] = Field(description="The phase.", examples=["at_risk"])
MODEL: Final[Any] = Field(
    description="The model asked for; null: the phases themselves.", examples=["cxm"]
)
VIEW: Final[Any] = Field(
    description="What the phase is in that model, as of the same instant.", examples=["active"]
)
LABEL: Final[Any] = Field(
    description="The view in the language of the answer (`Accept-Language`: de or en).",
    examples=["active"],
)
AS_OF: Final[Any] = Field(description="The clock at which this answer was true.")
UNTIL: Final[Any] = Field(description="Everything up to this instant is counted.")
IN_MAY: Final = "2024-05-01T12:00:00Z"
LAST_ORDER: Final = "2024-01-21T12:00:00Z"
LAPSE: Final = "2024-04-20T12:00:00Z"
NEXT_LAPSE: Final = "2024-07-19T12:00:00Z"
"""Instants of the examples: the last order, 90 and 180 days of silence after it, a first order."""


class MoneyView(BaseModel):
    """An amount of money."""

    amount: int = Field(description="In integer minor units of the currency.", examples=[17970])
    currency: str = Field(description="ISO 4217.", examples=["EUR"])


class PolicyView(BaseModel):
    """A version of a policy."""

    name: str = Field(description="Its name.", examples=["default"])
    version: int = Field(description="Its version.", examples=[1])


class NextTransition(BaseModel):
    """The next transition by time alone, if nothing else happens before."""

    to: Phase = Field(description="The phase that it leads to.", examples=["inactive"])
    view: str = VIEW
    label: str = LABEL
    rule: str = Field(description="The rule that will fire.", examples=["fell_silent"])
    at: Instant = Field(description="When it happens.", examples=[NEXT_LAPSE])

    @classmethod
    def of(cls, move: Move | None, facts: Collection[CustomerFact], naming: Naming) -> Self | None:
        """Make the view of a move, if there is one; `facts` will hold when it happens."""
        if move is None:
            return None
        view, label = naming.view(move.to, facts)
        return cls(to=move.to, view=view, label=label, rule=move.rule, at=move.occurred_at)


class OutlookView(BaseModel):
    """What the cadence model expects of a customer at `as_of`."""

    p_alive: float = Field(
        description="Probability (0 to 1) that the customer has not dropped out.", examples=[0.71]
    )
    p_no_purchase: float = Field(
        description="Probability (0 to 1) of no purchase in the policy's `horizon_days` from now.",
        examples=[0.66],
    )
    expected_orders_12m: float = Field(
        description="Purchases expected in 12 months; several of a day count once.", examples=[1.4]
    )
    expected_value: float | None = Field(
        description="Value expected of an order, in minor units of the policy's currency;"
        " null where no values are known.",
        examples=[5810.0],
    )
    clv: float | None = Field(
        description="Customer lifetime value: expected margins of 36 months, discounted to now,"
        " in minor units of the policy's currency; null where no values are known.",
        examples=[6230.5],
    )
    fit: int = Field(
        description="Version of the fit (`/v1/cadence/fits`) that this follows from.", examples=[2]
    )

    @classmethod
    def of(cls, outlook: Outlook | None) -> Self | None:
        """The view of an outlook, where there is one."""
        return None if outlook is None else cls(**msgspec.structs.asdict(outlook))
