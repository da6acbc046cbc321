"""The data of each event type: strict models, registered under the names of their types."""

from typing import Annotated, Final, Literal

from pydantic import Field, JsonValue, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from shared.events.fields import (
    Account,
    Channel,
    Data,
    Id,
    Reachable,
    Subject,
    Text,
    Word,
    Zone,
    event,
)
from shared.events.money import Money
from shared.instants import Instant


@event("customer.signed_up")
class SignedUp(Data):
    """A customer opened an account."""

    account: Account | None = None
    referral_code: Word | None = None
    email_hash: Word | None = None
    device_hash: Word | None = None
    address_hash: Word | None = None
    timezone: Zone | None = None
    preferred_channel: Channel | None = None


@event("customer.updated")
class Updated(Data):
    """Master data changed. Fields that are absent stay as they are."""

    account: Account | None = None
    managed_by_field_sales: bool | None = None
    preferred_channel: Channel | None = None
    reachable: list[Reachable] | None = None
    timezone: Zone | None = None


@event("customer.closed")
class Closed(Data):
    """The customer ended the relationship."""

    reason_code: Word | None = None
    reason_text: Text | None = None


@event("session.signed_in", "page.viewed", "message.opened", "message.clicked")
class Activity(Data):
    """The customer was active: signed in, viewed a page, opened or clicked a message."""

    topic: Word | None = None
    sku: Word | None = None
    message_id: Word | None = None


@event("product.activated", "product.used")
class ProductEvent(Data):
    """A product was put to use for the first time (onboarding is done), or used."""

    product: Word


@event("order.completed")
class OrderCompleted(Data):
    """The customer bought something. `items` lists the goods, or only their number."""

    order_id: Id
    total: Money
    margin: Money | None = None
    items: list[dict[str, JsonValue]] | Annotated[int, Field(ge=0)] | None = None
    coupon: Word | None = None
    referral_code: Word | None = None
    payment_method: Word | None = None
    payment_hash: Word | None = None
    return_window_days: Annotated[int, Field(ge=0, le=3650)] | None = None


@event("order.refunded")
class OrderRefunded(Data):
    """Part or all of an order was refunded."""

    order_id: Id
    amount: Money


@event("order.cancelled", "delivery.delayed")
class OrderEvent(Data):
    """An order was cancelled before it was fulfilled, or its delivery is late."""

    order_id: Id


@event("contract.concluded")
class ContractConcluded(Data):
    """A contract began. It renews at `renews_at`, or otherwise at the end of its term."""

    contract_id: Id
    term_months: Annotated[int, Field(ge=1, le=1200)]
    value: Money
    renews_at: Instant | None = None


@event("contract.renewed")
class ContractRenewed(Data):
    """A contract was renewed for another term."""

    contract_id: Id
    term_months: Annotated[int, Field(ge=1, le=1200)] | None = None


@event("contract.cancelled")
class ContractCancelled(Data):
    """The customer gave notice. The contract ends at `effective_at`, or otherwise at once."""

    contract_id: Id
    effective_at: Instant | None = None
    reason_code: Word | None = None
    reason_text: Text | None = None


_SCALES: Final = {"nps": (0, 10), "csat": (1, 5), "review": (1, 5)}


@event("feedback.submitted")
class FeedbackSubmitted(Data):
    """The customer gave a score: NPS 0 to 10, CSAT or review 1 to 5."""

    kind: Literal["nps", "csat", "review"]
    score: int
    topic: Word | None = None
    text: Text | None = None
    public: bool | None = None

    @field_validator("score")
    @classmethod
    def _in_range(cls, score: int, fields: ValidationInfo) -> int:
        kind = fields.data.get("kind", "nps")
        low, high = _SCALES[kind]
        if not low <= score <= high:
            raise PydanticCustomError(
                "score", f"a score of kind {kind} lies between {low} and {high}"
            )
        return score


@event("complaint.opened")
class ComplaintOpened(Data):
    """The customer complained. Severity runs from 1 (mild) to 3; the default is 2."""

    complaint_id: Id
    topic: Word | None = None
    severity: Annotated[int, Field(ge=1, le=3)] = 2
    text: Text | None = None


@event("complaint.answered")
class ComplaintAnswered(Data):
    """The shop answered a complaint."""

    complaint_id: Id


@event("complaint.resolved")
class ComplaintResolved(Data):
    """A complaint was closed; `satisfied` says whether the customer is happy with the outcome."""

    complaint_id: Id
    satisfied: bool | None = None


@event("inquiry.opened", "inquiry.answered")
class Inquiry(Data):
    """The customer asked a question, or it was answered."""

    inquiry_id: Id
    topic: Word | None = None


@event("newsletter.subscribed", "newsletter.unsubscribed")
class Newsletter(Data):
    """The customer subscribed to the newsletter, or unsubscribed."""

    reason: Text | None = None


@event("consent.granted", "consent.withdrawn")
class Consent(Data):
    """The customer allowed contact on a channel for a purpose, or withdrew that consent."""

    channel: Channel
    purpose: Word
    evidence: JsonValue = None


@event("contact.made")
class ContactMade(Data):
    """An agent spoke with the customer about a win-back case."""

    case_id: Id
    channel: Channel
    agent: Word
    result: Word
    reason_code: Word | None = None
    required_change: Text | None = None


@event("customer.merged")
class Merged(Data):
    """This customer and `into` are the same person; `into` is the id that stays."""

    into: Subject


@event("customer.erasure_requested")
class ErasureRequested(Data):
    """The customer asked for their data to be erased."""

    requested_by: Word | None = None


@event("referral.succeeded", "referral.annulled")
class ReferralOutcome(Data):
    """A referral qualified, or was annulled. Only the referral service publishes this."""

    referee: Subject | None = None
    code: Word | None = None
    order_id: Id | None = None


@event("clock.ticked")
class ClockTicked(Data):
    """Control record: the clock reached `time`. Deadlines up to then may fire (log time only)."""


@event("import.started", "import.finished")
class ImportBoundary(Data):
    """Control record: an import of history begins, or is complete."""

    import_id: Id


@event("improvement.delivered")
class ImprovementDelivered(Data):
    """Control record: the shop removed a cause of dissatisfaction."""

    reason_code: Word
    topic: Word | None = None
    text: Text | None = None
