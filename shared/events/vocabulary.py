"""The data of each event type: strict models, registered under the names of their types."""

from typing import Annotated, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    ValidationInfo,
    field_validator,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from shared.events.fields import (
    WHOLE,
    Account,
    Channel,
    CustomerData,
    CustomerId,
    Data,
    Id,
    Reachable,
    Text,
    Word,
    Zone,
    event,
)
from shared.events.money import Money, SignedMoney
from shared.events.scores import EXIT, SCALES, STEPS, wrong_score
from shared.instants import Instant


@event("customer.signed_up")
class SignedUp(CustomerData):
    """A customer opened an account."""

    account: Account | None = None
    referral_code: Word | None = None
    email_hash: Word | None = None
    device_hash: Word | None = None
    address_hash: Word | None = None
    timezone: Zone | None = None
    preferred_channel: Channel | None = None


@event("customer.updated")
class Updated(CustomerData):
    """Master data changed. Fields that are absent stay as they are."""

    account: Account | None = None
    managed_by_field_sales: bool | None = None
    preferred_channel: Channel | None = None
    reachable: list[Reachable] | None = None
    timezone: Zone | None = None


@event("customer.closed")
class Closed(CustomerData):
    """The customer ended the relationship."""

    reason_code: Word | None = None
    reason_text: Text | None = None


@event("session.signed_in", "page.viewed", "message.opened", "message.clicked")
class Activity(CustomerData):
    """The customer was active: signed in, viewed a page, opened or clicked a message."""

    topic: Word | None = None
    sku: Word | None = None
    message_id: Word | None = None


@event("engagement.recorded")
class Engagement(CustomerData):
    """The customer took part in something: a webinar, the community, a download."""

    kind: Word
    topic: Word | None = None


@event("checkout.started")
class CheckoutStarted(CustomerData):
    """The customer began to check out."""

    checkout_id: Id
    value: Money | None = None


@event("message.sent", "message.delivered", "message.bounced", "message.complained")
class MessageEvent(CustomerData):
    """The shop's own mailer sent a message, or learned what became of it."""

    message_id: Word
    channel: Channel
    purpose: Word | None = None
    campaign: Word | None = None


@event("product.activated", "product.used")
class ProductEvent(CustomerData):
    """A product was put to use for the first time (onboarding is done), or used."""

    product: Word


class Discount(BaseModel):
    """A code that the shop redeemed; without an amount, what it was worth is not known."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)

    code: Word
    amount: Money | None = None


class Acquisition(BaseModel):
    """What brought the customer to the shop."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)

    channel: Word | None = None
    campaign: Word | None = None


_Items = list[dict[str, JsonValue]] | Annotated[int, Field(ge=0), WHOLE]


class OrderEvent(CustomerData):
    """What every event of an order names: an order is (store, order_id)."""

    order_id: Id
    store: Id | None = None


@event("order.completed")
class OrderCompleted(OrderEvent):
    """The customer bought something. `items` lists the goods, or only their number."""

    total: Money
    margin: SignedMoney | None = None
    items: _Items | None = None
    coupon: Word | None = None
    coupons: list[Word] | None = None
    discounts: list[Discount] | None = None
    referral_code: Word | None = None
    payment_method: Word | None = None
    payment_hash: Word | None = None
    return_window_days: Annotated[int, Field(ge=0, le=3650), WHOLE] | None = None
    replacement_of: Id | None = None
    acquisition: Acquisition | None = None


@event("order.updated")
class OrderUpdated(OrderEvent):
    """An order was changed. What it names holds from then on; the rest stays as it was."""

    total: Money | None = None
    margin: SignedMoney | None = None
    items: _Items | None = None


@event("order.refunded")
class OrderRefunded(OrderEvent):
    """An order was refunded: in part, or all that was left of it."""

    amount: Money | None = None
    refund_id: Id | None = None


@event("order.refund_withdrawn")
class RefundWithdrawn(OrderEvent):
    """A refund was taken back; it is named by its `refund_id`, or by its amount."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["refund_id"], "properties": {"refund_id": {"type": "string"}}},
                {"required": ["amount"], "properties": {"amount": {"type": "object"}}},
            ]
        }
    )

    refund_id: Id | None = None
    amount: Annotated[Money | None, Field(validate_default=True)] = None

    @field_validator("amount")
    @classmethod
    def _named(cls, amount: Money | None, fields: ValidationInfo) -> Money | None:
        if amount is None and fields.data.get("refund_id", "") is None:
            raise PydanticCustomError("missing", "required without refund_id")
        return amount


@event("order.cancelled", "delivery.delayed")
class OrderNotice(OrderEvent):
    """An order was cancelled before it was fulfilled, or its delivery is late."""


@event("contract.concluded")
class ContractConcluded(CustomerData):
    """A contract began. It renews at `renews_at`, or otherwise at the end of its term."""

    contract_id: Id
    term_months: Annotated[int, Field(ge=1, le=1200), WHOLE]
    value: Money
    renews_at: Instant | None = None


@event("contract.renewed")
class ContractRenewed(CustomerData):
    """A contract was renewed for another term."""

    contract_id: Id
    term_months: Annotated[int, Field(ge=1, le=1200), WHOLE] | None = None


@event("contract.cancelled")
class ContractCancelled(CustomerData):
    """The customer gave notice. The contract ends at `effective_at`, or otherwise at once."""

    contract_id: Id
    effective_at: Instant | None = None
    reason_code: Word | None = None
    reason_text: Text | None = None


_Score = Annotated[float, PlainSerializer(lambda score: score if score % 1 else int(score))]
"""A whole score is written as a whole number."""
_EXIT: Final[JsonDict] = {"properties": {"kind": {"const": EXIT}, "score": {"type": "null"}}}


def _scored(kind: str) -> JsonDict:
    """The JSON Schema of feedback of a kind."""
    low, high = SCALES[kind]
    step = STEPS[kind]
    score: JsonDict = {"type": "number", "minimum": low, "maximum": high, "multipleOf": step}
    return {"required": ["score"], "properties": {"kind": {"const": kind}, "score": score}}


@event("feedback.submitted")
class FeedbackSubmitted(CustomerData):
    """The customer gave a score, or on leaving an answer without one (`exit`)."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [*map(_scored, SCALES), _EXIT]})

    kind: Literal["nps", "csat", "review", "exit"]
    score: Annotated[_Score | None, Field(validate_default=True)] = None
    feedback_id: Id | None = None
    topic: Word | None = None
    text: Text | None = None
    public: bool | None = None
    channel: Channel | None = None

    @field_validator("score")
    @classmethod
    def _on_its_scale(cls, score: float | None, fields: ValidationInfo) -> float | None:
        kind = fields.data.get("kind")
        if kind is None:
            return score
        if score is None and kind != EXIT:
            raise PydanticCustomError("missing", "Field required")
        problem = wrong_score(kind, score)
        if problem is not None:
            raise PydanticCustomError("score", "{problem}", {"problem": problem})
        return score


@event("feedback.answered")
class FeedbackAnswered(CustomerData):
    """The shop answered feedback."""

    feedback_id: Id


@event("complaint.opened")
class ComplaintOpened(CustomerData):
    """The customer complained. Severity runs from 1 (mild) to 3; the default is 2."""

    complaint_id: Id
    topic: Word | None = None
    severity: Annotated[int, Field(ge=1, le=3), WHOLE] | None = None
    text: Text | None = None
    channel: Channel | None = None


@event("complaint.answered")
class ComplaintAnswered(CustomerData):
    """The shop answered a complaint."""

    complaint_id: Id


@event("complaint.resolved")
class ComplaintResolved(CustomerData):
    """A complaint was closed; `satisfied` says whether the customer is happy with the outcome."""

    complaint_id: Id
    satisfied: bool | None = None
    measure: Word | None = None
    cost: Money | None = None


@event("inquiry.opened", "inquiry.answered")
class Inquiry(CustomerData):
    """The customer asked a question, or it was answered."""

    inquiry_id: Id
    topic: Word | None = None
    channel: Channel | None = None


@event("newsletter.subscribed", "newsletter.unsubscribed")
class Newsletter(CustomerData):
    """The customer subscribed to the newsletter, or unsubscribed."""

    reason: Text | None = None


@event("consent.granted")
class ConsentGranted(CustomerData):
    """The customer allowed contact on a channel for a purpose."""

    channel: Channel
    purpose: Word
    evidence: JsonValue = None


@event("consent.withdrawn")
class ConsentWithdrawn(CustomerData):
    """The customer withdrew a consent; without channel and purpose, every one for marketing."""

    channel: Channel | None = None
    purpose: Word | None = None
    evidence: JsonValue = None


@event("contact.made")
class ContactMade(CustomerData):
    """An agent spoke with the customer about a win-back case."""

    case_id: Id
    channel: Channel
    agent: Word
    result: Word
    reason_code: Word | None = None
    required_change: Text | None = None


@event("customer.merged")
class Merged(CustomerData):
    """This customer and `into` are the same person; `into` is the id that stays."""

    into: CustomerId


@event("customer.unmerged")
class Unmerged(CustomerData):
    """This customer is a person apart: the merge does not hold any more."""

    into: CustomerId | None = None


@event("customer.erasure_requested")
class ErasureRequested(CustomerData):
    """The customer asked for their data to be erased."""

    requested_by: Word | None = None


@event("referral.succeeded", "referral.annulled")
class ReferralOutcome(CustomerData):
    """A referral qualified, or was annulled. Only the referral service publishes this."""

    referee: CustomerId | None = None
    code: Word | None = None
    order_id: Id | None = None
    claim_id: Id | None = None


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
