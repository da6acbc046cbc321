"""Track calls of Segment's e-commerce and e-mail vocabulary, translated into events of the catalogue."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final

import msgspec

from shared.errors import FieldError
from shared.events.catalogue import Refused
from shared.events.money import EXPONENTS, MAX_AMOUNT

SOURCE: Final = "segment"
"""The `source` of every translated event; identity is (userId, this, messageId)."""

_decode: Final = msgspec.json.Decoder(float_hook=Decimal).decode
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
_MOST_DIGITS: Final = 20
"""On either side of the decimal point; more would only cost time to refuse exactly."""

Properties = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Alias:
    """The type that a call becomes: `renamed` properties go by their name in `data`, then `read` does the rest."""

    type: str
    renamed: Mapping[str, str] = field(default_factory=dict)
    read: Callable[[Properties], Properties] = dict


def _ordered(said: Properties) -> Properties:
    return _without_money(said) | {"total": _money(said)}


def _refunded(said: Properties) -> Properties:
    return _without_money(said) | {"amount": _money(said)}


def _reviewed(said: Properties) -> Properties:
    """A review of a product is public unless the sender says otherwise; ratings often come as text."""
    score = said.get("score")
    if (
        isinstance(score, str)
        and score.isascii()
        and score.isdecimal()
        and len(score) < _MOST_DIGITS
    ):
        score = int(score)
    return {"public": True, **said, "kind": "review"} | ({} if score is None else {"score": score})


ALIASES: Final[Mapping[str, Alias]] = MappingProxyType(
    {
        "Order Completed": Alias("order.completed", {"products": "items"}, _ordered),
        "Order Refunded": Alias("order.refunded", read=_refunded),
        "Order Cancelled": Alias("order.cancelled"),
        "Signed Up": Alias("customer.signed_up"),
        "Signed In": Alias("session.signed_in"),
        "Unsubscribed": Alias("newsletter.unsubscribed"),
        "Email Opened": Alias("message.opened", {"email_id": "message_id"}),
        "Email Link Clicked": Alias("message.clicked", {"email_id": "message_id"}),
        "Product Reviewed": Alias(
            "feedback.submitted", {"rating": "score", "review_body": "text"}, _reviewed
        ),
    }
)
"""The calls that are understood, by the name of their event."""

ENVELOPE: Final[Mapping[str, str]] = MappingProxyType(
    {"userId": "subject", "messageId": "id", "timestamp": "time"}
)
"""The fields of a call under their names in the event."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was understood: the event that it means, and the names of fields as its sender knows them."""

    event: bytes
    alias: Alias

    def in_its_words(self, refused: Refused) -> Refused:
        """The same refusal, naming the sender's own field."""
        return Refused(
            refused.code, FieldError(self._their(refused.error.field), refused.error.message)
        )

    def _their(self, place: str) -> str:
        head, _, rest = place.partition(".")
        if head != "data":
            return {ours: theirs for theirs, ours in ENVELOPE.items()}.get(head, place)
        ours, _, inside = rest.partition(".")
        if ours in ("total", "amount"):
            return "properties.currency" if inside == "currency" else "properties.total"
        theirs = {ours: theirs for theirs, ours in self.alias.renamed.items()}.get(ours, ours)
        return ".".join(part for part in ("properties", theirs, inside) if part)


def read(raw: bytes) -> Call | None:
    """The call in a JSON object, None if it is none. Raises Refused, naming the sender's field."""
    try:
        said = _decode(raw)
    except (msgspec.DecodeError, InvalidOperation):
        raise _refused("invalid", "", "holds a number that is out of range") from None
    if not (isinstance(said, dict) and "event" in said and "specversion" not in said):
        return None
    if said.get("type", "track") != "track":
        return None
    alias = ALIASES.get(said["event"]) if isinstance(said["event"], str) else None
    if alias is None:
        raise _refused("unknown_type", "event", f"is none of {', '.join(ALIASES)}")
    if "userId" not in said and "anonymousId" in said:
        raise _refused("missing", "userId", "Field required: who is anonymous is no customer yet")
    event: dict[str, object] = {"specversion": "1.0", "source": SOURCE, "type": alias.type}
    event |= {ours: said[theirs] for theirs, ours in ENVELOPE.items() if theirs in said}
    return Call(_encode(event | {"data": _data(alias, said.get("properties"))}), alias)


def _data(alias: Alias, properties: object) -> Properties:
    """What needs no translation is kept as it is; what is null or an empty text has not been said."""
    if not isinstance(properties, dict | None):
        raise _refused("invalid", "properties", "must be an object")
    said = {
        name: value
        for name, value in (properties or {}).items()
        if value is not None and value != ""
    }
    return alias.read({alias.renamed.get(name, name): value for name, value in said.items()})


def _without_money(said: Properties) -> Properties:
    return {
        name: value for name, value in said.items() if name not in ("total", "amount", "currency")
    }


def _money(said: Properties) -> dict[str, object]:
    """The decimal `total` in minor units of `currency`, exactly. Raises Refused."""
    total, currency = said.get("total"), said.get("currency")
    for name, value in (("total", total), ("currency", currency)):
        if value is None:
            raise _refused("missing", f"properties.{name}", "Field required")
    if not isinstance(currency, str) or currency not in EXPONENTS:
        raise _refused(
            "invalid",
            "properties.currency",
            "must be the ISO 4217 code of a currency in use, such as EUR",
        )
    if isinstance(total, bool) or not isinstance(total, int | Decimal):
        raise _refused("invalid", "properties.total", "must be a number, such as 19.99")
    return {"amount": _minor(Decimal(total), currency), "currency": currency}


def _minor(total: Decimal, currency: str) -> int:
    digits, exponent = EXPONENTS[currency], total.as_tuple().exponent
    if total.adjusted() >= _MOST_DIGITS or (isinstance(exponent, int) and exponent < -_MOST_DIGITS):
        raise _refused("invalid", "properties.total", f"has more than {_MOST_DIGITS} digits")
    minor = Fraction(total) * 10**digits
    if minor.denominator != 1:
        raise _refused(
            "invalid", "properties.total", f"has more decimals than {currency}, which has {digits}"
        )
    if not 0 <= minor <= MAX_AMOUNT:
        raise _refused(
            "invalid", "properties.total", f"must lie between 0 and {MAX_AMOUNT} minor units"
        )
    return int(minor)


def _refused(code: str, place: str, message: str) -> Refused:
    return Refused(code, FieldError(place, message))
