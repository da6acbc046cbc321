"""Translates track calls of Segment's e-commerce and e-mail vocabulary into catalogue events."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final

import msgspec

from shared.errors import FieldError
from shared.events.catalogue import InvalidEvent
from shared.events.money import EXPONENTS, MAX_AMOUNT

SOURCE: Final = "segment"
"""The `source` of every translated event; its identity is (userId, this, messageId)."""

_decode: Final = msgspec.json.Decoder(float_hook=Decimal).decode
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
_MAX_DIGITS: Final = 20
"""On either side of the decimal point; to reject more exactly would only cost time."""
_RATING: Final = re.compile(rf"\d{{1,{_MAX_DIGITS}}}(?:\.\d{{1,{_MAX_DIGITS}}})?", re.ASCII)
_MONEY_PROPERTIES: Final = frozenset({"total", "amount", "currency"})

Properties = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Alias:
    """How a call is translated: its event type, renamed properties, and a final conversion."""

    type: str
    renamed: Mapping[str, str] = field(default_factory=dict)
    convert: Callable[[Properties], Properties] = dict


def _convert_order(properties: Properties) -> Properties:
    return _without_money(properties) | {"total": _money(properties)}


def _convert_refund(properties: Properties) -> Properties:
    """Take a refund without an amount for one of all that is left, as Segment's spec has it."""
    rest = _without_money(properties)
    if properties.keys().isdisjoint(_MONEY_PROPERTIES):
        return rest
    return rest | {"amount": _money(properties)}


def _convert_review(properties: Properties) -> Properties:
    """Make a product review public unless it says otherwise, and its rating a number."""
    review = {"public": True, **properties, "kind": "review"}
    score = properties.get("score")
    if isinstance(score, str) and _RATING.fullmatch(score):
        review["score"] = Decimal(score)
    return review


ALIASES: Final[Mapping[str, Alias]] = MappingProxyType(
    {
        "Order Completed": Alias("order.completed", {"products": "items"}, _convert_order),
        "Order Refunded": Alias("order.refunded", convert=_convert_refund),
        "Order Cancelled": Alias("order.cancelled"),
        "Signed Up": Alias("customer.signed_up"),
        "Signed In": Alias("session.signed_in"),
        "Unsubscribed": Alias("newsletter.unsubscribed"),
        "Email Opened": Alias("message.opened", {"email_id": "message_id"}),
        "Email Link Clicked": Alias("message.clicked", {"email_id": "message_id"}),
        "Product Reviewed": Alias(
            "feedback.submitted", {"rating": "score", "review_body": "text"}, _convert_review
        ),
    }
)
"""The calls that can be translated, by the name of their event."""

ENVELOPE: Final[Mapping[str, str]] = MappingProxyType(
    {"userId": "subject", "messageId": "id", "timestamp": "time"}
)
"""The fields of a call, and their names in the event."""
_CALL_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {event_field: call_field for call_field, event_field in ENVELOPE.items()}
)
"""The same the other way round."""


@dataclass(frozen=True, slots=True)
class Call:
    """A translated call: its event, and how its sender names the fields."""

    event: bytes
    alias: Alias

    def in_sender_terms(self, error: InvalidEvent) -> InvalidEvent:
        """The same error, naming the sender's own field."""
        name = self._sender_field(error.field_error.field)
        return InvalidEvent(error.code, FieldError(name, error.field_error.message))

    def _sender_field(self, place: str) -> str:
        head, _, rest = place.partition(".")
        if head != "data":
            return _CALL_FIELDS.get(head, place)
        name, _, inside = rest.partition(".")
        if name in ("total", "amount"):
            return "properties.currency" if inside == "currency" else "properties.total"
        originals = {renamed: original for original, renamed in self.alias.renamed.items()}
        parts = ("properties", originals.get(name, name), inside)
        return ".".join(part for part in parts if part)


def read(raw: bytes) -> Call | None:
    """Translate the call in a JSON object; None if it is no call.

    Raises InvalidEvent naming the sender's field.
    """
    try:
        call = _decode(raw)
    except (msgspec.DecodeError, InvalidOperation):
        raise _invalid("invalid", "", "holds a number that is out of range") from None
    if not _is_track_call(call):
        return None
    alias = ALIASES.get(call["event"]) if isinstance(call["event"], str) else None
    if alias is None:
        raise _invalid("unknown_type", "event", f"must be one of {', '.join(ALIASES)}")
    if "userId" not in call and "anonymousId" in call:
        raise _invalid(
            "missing", "userId", "Field required: an anonymous visitor is no customer yet"
        )
    event: dict[str, object] = {"specversion": "1.0", "source": SOURCE, "type": alias.type}
    for call_field, event_field in ENVELOPE.items():
        if call_field in call:
            event[event_field] = call[call_field]
    event["data"] = _data(alias, call.get("properties"))
    return Call(_encode(event), alias)


def _is_track_call(value: object) -> bool:
    if not isinstance(value, dict) or "event" not in value or "specversion" in value:
        return False
    return bool(value.get("type", "track") == "track")


def _data(alias: Alias, properties: object) -> Properties:
    """The data of the event: properties that are null or empty are absent, others are kept."""
    if not isinstance(properties, dict | None):
        raise _invalid("invalid", "properties", "must be an object")
    present = {
        alias.renamed.get(name, name): value
        for name, value in (properties or {}).items()
        if value is not None and value != ""
    }
    return alias.convert(present)


def _without_money(properties: Properties) -> Properties:
    return {name: value for name, value in properties.items() if name not in _MONEY_PROPERTIES}


def _money(properties: Properties) -> dict[str, object]:
    """The decimal `total` in minor units of `currency`, exactly. Raises InvalidEvent."""
    total = _required(properties, "total")
    currency = _required(properties, "currency")
    if not isinstance(currency, str) or currency not in EXPONENTS:
        raise _invalid(
            "invalid",
            "properties.currency",
            "must be the ISO 4217 code of a currency in use, such as EUR",
        )
    if isinstance(total, bool) or not isinstance(total, int | Decimal):
        raise _invalid("invalid", "properties.total", "must be a number, such as 19.99")
    return {"amount": _minor_units(Decimal(total), currency), "currency": currency}


def _required(properties: Properties, name: str) -> object:
    value = properties.get(name)
    if value is None:
        raise _invalid("missing", f"properties.{name}", "Field required")
    return value


def _minor_units(total: Decimal, currency: str) -> int:
    exponent = total.as_tuple().exponent
    has_many_decimals = isinstance(exponent, int) and exponent < -_MAX_DIGITS
    if has_many_decimals or total.adjusted() >= _MAX_DIGITS:
        raise _invalid("invalid", "properties.total", f"has more than {_MAX_DIGITS} digits")
    digits = EXPONENTS[currency]
    minor = Fraction(total) * 10**digits
    if minor.denominator != 1:
        raise _invalid(
            "invalid", "properties.total", f"has more decimals than {currency}, which has {digits}"
        )
    if not 0 <= minor <= MAX_AMOUNT:
        raise _invalid(
            "invalid", "properties.total", f"must lie between 0 and {MAX_AMOUNT} minor units"
        )
    return int(minor)


def _invalid(code: str, place: str, message: str) -> InvalidEvent:
    return InvalidEvent(code, FieldError(place, message))
