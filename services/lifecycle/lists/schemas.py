"""What the lifecycle API shows of lists."""

from datetime import datetime
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from services.lifecycle.api.fields import LABEL, MODEL, VIEW, MoneyView, NextTransition
from services.lifecycle.api.phase_names import Naming
from services.lifecycle.domain.phase_models import Model
from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.lists.filters import Cause
from services.lifecycle.lists.hits import Hit, HitFacts
from services.lifecycle.lists.repository import ListedCustomer
from shared.events.fields import Account, Subject
from shared.http import Instant, Page

MAX_LOOKUP: Final = 1000
"""Customers of one lookup."""
MAX_VALUE: Final = 2**63 - 1


def _cause(text: str) -> str:
    try:
        Cause.parse(text)
    except ValueError as error:
        raise PydanticCustomError("not_a_cause", "{wrong}", {"wrong": str(error)}) from error
    return text


CauseName = Annotated[str, AfterValidator(_cause)]
"""A kind of cause, or one exact cause."""


class CustomerItem(BaseModel):
    """A customer on a list."""

    customer: str = Field(description="The id.", examples=["ada"])
    phase: Phase = Field(description="The phase of the customer.", examples=["at_risk"])
    model: Model | None = MODEL
    view: str = VIEW
    label: str = LABEL
    since: Instant = Field(description="When the phase was entered.")
    account: Account | None = Field(description="The kind of account; null: not known.")
    causes: list[str] = Field(
        description="Why the customer is at risk; empty otherwise.", examples=[["silence"]]
    )
    value: MoneyView | None = Field(
        description="Lifetime revenue in the currency in which the customer has spent most;"
        " null before the first order."
    )
    orders: int = Field(
        description="Number of orders, without those that were undone.", examples=[3]
    )
    next_transition: NextTransition | None = Field(
        description="The next transition by time alone, if nothing else happens before."
    )
    version: int = Field(
        description="How many records have been published for the customer.", examples=[4]
    )
    parked: bool = Field(
        description="An event could not be applied: all wait until somebody releases the customer."
    )

    @classmethod
    def of(cls, hit: Hit, facts: HitFacts, naming: Naming) -> Self:
        """The view of a customer who has a phase."""
        row = hit.row
        customer = hit.judged.customer
        phase = customer.phase or Phase.PROSPECT
        view, label = naming.view(phase, facts.now)
        return cls(
            customer=row.customer,
            phase=phase,
            model=naming.model,
            view=view,
            label=label,
            since=customer.since,
            account=customer.account,
            causes=sorted(customer.causes),
            value=_value(row),
            orders=customer.orders,
            next_transition=NextTransition.of(hit.judged.next_move, facts.then, naming),
            version=row.version,
            parked=row.parked is not None,
        )


def _value(row: ListedCustomer) -> MoneyView | None:
    if row.currency is None:
        return None
    return MoneyView(amount=row.value, currency=row.currency)


class CustomerPage(Page[CustomerItem]):
    """A part of a list, in the order of the ids.

    It may hold few customers or none, even if there is a `next_cursor`.
    """

    as_of: Instant = Field(
        description="The least clock: every partition has been judged at least so far."
    )


class ExportedCustomer(CustomerItem):
    """One line of an export: a customer, and the clock of the whole file."""

    as_of: Instant = Field(
        description="The least clock: every partition has been judged at least so far."
    )


def export_line(item: CustomerItem, as_of: datetime) -> ExportedCustomer:
    """Make the line of an item, which has been validated already."""
    return ExportedCustomer.model_construct(**dict(item), as_of=as_of)


class Lookup(BaseModel):
    """Which customers to look up."""

    model_config = ConfigDict(extra="forbid")

    customers: list[Subject] = Field(
        max_length=MAX_LOOKUP,
        description="Ids, in any order; a repeated id is answered repeatedly.",
        examples=[["ada", "bob"]],
    )


class LookedUp(BaseModel):
    """The answer about one id."""

    asked: str = Field(description="The id that was asked for.", examples=["ada"])
    merged_into: str | None = Field(
        description="The customer that it has become; null: it is still itself.",
        examples=["ada-lovelace"],
    )
    customer: CustomerItem | None = Field(
        description="The customer, or the one that it was merged into;"
        " null: no event has made it a customer."
    )

    @classmethod
    def of(cls, asked: str, end: str, customer: CustomerItem | None) -> Self:
        """The answer about an id whose customer is `end` now."""
        return cls(asked=asked, merged_into=None if end == asked else end, customer=customer)


class LookupAnswer(BaseModel):
    """The answers in the order of the request."""

    items: list[LookedUp] = Field(description="One for each id asked for.")
    unknown: list[str] = Field(
        description="The ids that lead to no customer, each once.", examples=[["bob"]]
    )
    as_of: Instant = Field(
        description="The least clock: every partition has been judged at least so far."
    )
