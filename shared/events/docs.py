"""docs/events.md, made from the models: `python -m shared.events.docs tests/contract > docs/events.md`."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from shared.events.catalogue import MODELS
from shared.events.envelope import CONTROL
from shared.events.fields import TYPES
from shared.events.glossary import EFFECTS, FIELDS
from shared.events.segment import ALIASES, ENVELOPE, SOURCE

_HEAD: Final = """\
# Events

*Made from the models by `python -m shared.events.docs tests/contract > docs/events.md`; a test compares.*

A shop sends what has happened as [CloudEvents 1.0](https://cloudevents.io) in JSON: one object, or an array of up to
1,000 (5 MiB), to `POST /v1/events` of ingest. The receipt says how many are in the log for good, and of each other one
by its place what is wrong. One bad event does not sink the others. `GET /v1/event-types` gives a JSON Schema per type.

## The envelope
| field | holds | meaning |
|---|---|---|
| **specversion** | `1.0` | |
| **id** | text, 1 to 200 | given by the sender, the same when it sends again |
| **source** | text, 1 to 200 | who sends |
| **type** | a type of this page | |
| **subject** | text, 1 to 128 | the customer; control records have none |
| **time** | instant | when it happened, not when it was sent |
| data | object | by type, below; fields that are not listed are kept |
| historical | true or false | from an import of history: nobody gets an offer or a reward because of it |
| traceparent | text | W3C trace context; else that of the request |

**Identity is (subject, source, id).** Sending an event again is safe: it counts once. Of two events with one identity
and different type, time or data, the first that was recorded stays; the other goes to the dead letters
(`conflicting_duplicate`). Events may come late and in any order: they count at their `time`, ties in the order of
(time, source, id), and the history is in the end the same as if they had come sorted.

## Units
* *instant*: RFC 3339 with a zone, in the years 1900 to 9998, kept to the microsecond in UTC.
* *money*: `{"amount": 1999, "currency": "EUR"}`: whole minor units by the ISO 4217 exponent (EUR 2, JPY 0, KWD 3),
  0 to 2^53. Sums are kept per currency and never added across.
* Ids are printable characters of any script, emoji and slashes included; in a path they are percent-encoded
  (`a/b` is `a%2Fb`). Days are 24 hours, months calendar months in UTC.
* Required fields are **bold**. A field that is null has not been said.

## Types
Whoever is unknown becomes a prospect by any event that does not do more or says otherwise; a prospect's year of
`prospect_faded` starts anew with each. The names of rules are those that transitions carry.
"""
_RARE: Final = frozenset({"historical", "traceparent"})
"""What an example would be copied with by mistake."""
_CONTROL: Final = """\
## Control records
They have no `subject`, go to every partition, and concern no single customer. Ingest publishes one only after all that
was sent before it is acknowledged.
"""
_REFUSED: Final = """\
## What is refused, what has a defined effect
Ingest refuses, with the code and the field in the receipt:

| what | code | field |
|---|---|---|
| not JSON; a lone surrogate | `unreadable` | |
| a type that is not on this page | `unknown_type` | `type` |
| a required field that is missing | `missing` | its name |
| an instant without a zone: `time`, `data.renews_at`, `data.effective_at` | `no_zone` | its name |
| an instant before 1900 or after 9998 | `out_of_range` | its name |
| a score outside its scale, a severity outside 1 to 3, a term outside 1 to 1,200 months | `invalid` | its name |
| money that is negative, not whole, above 2^53, or in no ISO 4217 currency | `invalid` | `data.total.amount`, … |
| an id that is empty, too long, or holds control characters | `invalid` | its name |
| `customer.merged` into the subject itself | `invalid` | `data.into` |
| U+0000, or a number that is not finite, anywhere | `invalid` | `data` |
| `mergedfrom`, which only lifecycle says | `invalid` | `mergedfrom` |
| `referral.succeeded`, `referral.annulled`: the referral service says them, on its own topic | `reserved_type` | \
`type` |
| more than 5 minutes ahead of the clock (not in log time) | `time_in_future` | `time` |
| `clock.ticked` (but in log time) | `clock_not_settable` | `type` |
| an event that no record can hold | `too_large` | |

Records that reach the topic past ingest and cannot be read go to the dead letters (`undecodable`, `unknown_type`,
`invalid_data`).

What contradicts itself over several events is accepted, and means this (each in the order of `time`):

| what | effect |
|---|---|
| a contract renewed before it was concluded | the renewal concludes it (12 months, if it names no term); \
the conclusion later gives it its dates and does not count as another contract |
| a contract cancelled that nobody has heard of | none |
| a complaint answered or resolved before it was opened | none; once opened, it is open |
| refunds above the total | the whole order is undone, and no more |
| a refund or cancellation of an unknown order | waits for the order; \
one that was wholly undone before it was completed counts as no order |
| a refund in another currency than the order's | changes no sum and no phase |
| an order under two event ids | counts once: the earlier one, by `order_id` |
| orders in a second currency | have a sum of their own; both count as orders |
| a margin in another currency than the total | is left out |
| an order with a total of 0 | counts as an order |
| feedback of the same kind again | the later score holds |
"""


def markdown(contract: Path) -> str:
    """The document; `contract` holds the golden examples: `examples/<type>.v1/full.json` and `segment/*.json`."""
    named = [name for name in TYPES if name not in CONTROL]
    parts = [
        _HEAD,
        *(_section(name, contract) for name in named),
        _CONTROL,
        *(_section(name, contract) for name in TYPES if name in CONTROL),
        _segment(contract),
        _REFUSED,
    ]
    return "\n".join(parts)


def _section(name: str, contract: Path) -> str:
    full = json.loads((contract / "examples" / f"{name}.v1" / "full.json").read_text())
    example = {field: value for field, value in full.items() if field not in _RARE}
    return "\n".join(
        [
            f"### `{name}`",
            f"{MODELS[name].__doc__}\n",
            f"*Effect:* {EFFECTS[name]}\n",
            *_table(TYPES[name].model_json_schema()),
            *_json(example),
        ]
    )


def _table(schema: Mapping[str, Any]) -> Iterator[str]:
    if not schema["properties"]:
        return
    yield "| data | holds | meaning |\n|---|---|---|"
    for name, said in schema["properties"].items():
        shown = f"**{name}**" if name in schema.get("required", ()) else name
        yield f"| {shown} | {_holds(said)} | {FIELDS[name]} |"
    yield ""


def _holds(said: Mapping[str, Any]) -> str:
    """What a value may be, in words, from its JSON Schema."""
    if "anyOf" in said:
        return ", or ".join(_holds(one) for one in said["anyOf"] if one != {"type": "null"})
    if "$ref" in said:
        return "money" if said["$ref"].endswith("/Money") else "anything"
    if "enum" in said:
        return ", ".join(f"`{one}`" for one in said["enum"])
    if said["type"] == "array":
        return "list of " + _holds(said["items"])
    if said["type"] == "string":
        return _text(said)
    if said["type"] == "integer":
        return "whole number" + _between(said.get("minimum"), said.get("maximum")) + _default(said)
    return {"boolean": "true or false", "object": "objects"}[said["type"]]


def _text(said: Mapping[str, Any]) -> str:
    if said.get("format") == "date-time":
        return "instant"
    if "maxLength" not in said:
        return "text"
    least = f"{said['minLength']} " if "minLength" in said else "up "
    return f"text, {least}to {said['maxLength']:,}"


def _between(least: int | None, most: int | None) -> str:
    if most is None:
        return "" if least is None else f", at least {least}"
    return f", {least} to {most:,}"


def _default(said: Mapping[str, Any]) -> str:
    return f" ({said['default']} if not said)" if "default" in said else ""


def _segment(contract: Path) -> str:
    example = json.loads((contract / "segment" / "order_completed.json").read_text())
    fields = ", ".join(
        f"`{theirs}` (**required**) is `{ours}`" for theirs, ours in ENVELOPE.items()
    )
    lines = [
        "## Segment's names",
        "Ingest also takes track calls of [Segment's](https://segment.com/docs/connections/spec/) vocabulary, in the "
        "same arrays if you like, and translates them:\n",
        "| event | becomes | properties under another name |\n|---|---|---|",
        *(
            f"| {name} | `{alias.type}` | {_renamed(alias.renamed)} |"
            for name, alias in ALIASES.items()
        ),
        f"\n{fields}; `source` is `{SOURCE}`. The decimal numbers `total` and `currency` of an order become money, "
        "exactly: 19.99 EUR is 1999, 500 JPY is 500, 1.234 KWD is 1234; a number with more decimals than its currency "
        "has is refused, and so is a currency that is no longer in use. A `rating` may be a text of digits; a review "
        "is public unless `public` is false. Other properties are kept as they are, but for null and the empty text; "
        "`context`, `anonymousId` and the rest of a call are dropped. A receipt names the sender's own fields "
        "(`userId`, `timestamp`, `properties.total`).\n",
        *_json(example["call"]),
        "becomes\n",
        *_json(example["event"]),
    ]
    return "\n".join(lines)


def _renamed(names: Mapping[str, str]) -> str:
    return ", ".join(f"`{theirs}` is `{ours}`" for theirs, ours in names.items())


def _json(value: object) -> Iterator[str]:
    yield "```json"
    yield json.dumps(value, indent=2, ensure_ascii=False)
    yield "```\n"


if __name__ == "__main__":
    sys.stdout.write(markdown(Path(sys.argv[1])))
