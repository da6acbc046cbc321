"""Writes docs/events.md from the models: `python -m shared.events.docs tests/contract`."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from shared.bounds import DEEPEST
from shared.events.catalogue import MODELS
from shared.events.customer_ids import NO_CUSTOMERS
from shared.events.envelope import CONTROL
from shared.events.fields import TYPES, CustomerData
from shared.events.glossary import EFFECTS, FIELDS
from shared.events.ranks import RANKS
from shared.events.segment import ALIASES, ENVELOPE, SOURCE
from shared.kafka.producer import MAX_EVENT

_HEAD: Final = """\
# Events

*Made from the models by `python -m shared.events.docs tests/contract > docs/events.md`; \
a test compares.*

A shop sends what has happened as [CloudEvents 1.0](https://cloudevents.io) in JSON, one object or
an array of up to 1,000 (5 MiB), to `POST /v1/events` of ingest. The receipt says how many events
are safely in the log, and what is wrong with each of the others, by its position. One bad event
does not affect the others. `GET /v1/event-types` returns a JSON Schema per type: what it takes
is taken. Only a merge of a customer into itself, and in a field of the sender's own a number that
no double holds or more than {deepest} levels of JSON, are refused all the same.

## The envelope
| field | holds | meaning |
|---|---|---|
| **specversion** | `1.0` | |
| **id** | text, 1 to 200 | chosen by the sender, the same when it sends the event again |
| **source** | text, 1 to 200 | the sender |
| **type** | a type of this page | |
| **subject** | text, 1 to 128 | the customer; control records have none |
| **time** | instant | when it happened, not when it was sent |
| data | object | depends on the type, see below; fields that are not listed are kept |
| historical | true or false | part of an import of history: it causes no offers and no rewards |
| traceparent | text | W3C trace context; default: that of the request |

**The identity of an event is (subject, source, id).** Sending an event again is safe: it counts
once. If two events have the same identity but a different type, time or data, the one recorded
first stays and the other goes to the dead letters (`conflicting_duplicate`). Events may arrive
late and in any order: they count at their `time`, and in the end the history is the same as if they
had arrived sorted. What is noticed more than `act_within_days` (7) after its instant is history,
as if imported: a phase that began earlier brings no offer. An event keeps the subject that it was
sent for, also after a merge: two people
whose shop counts its event ids anew for each of them lose nothing.

## One instant
Many shops keep time to the second. Events of one instant are taken cause before effect, in this
order, and inside a line by (source, id):

{ranks}

A deadline that is due at that very instant passes before all of them.

## Units
* *instant*: `2024-05-01T12:00:00Z`, in the years 1900 to 9998, kept to the microsecond in UTC. It
  is read as Java, PHP, Ruby, .NET, Go, JavaScript and Python write it: without seconds, with a
  fraction of any length after a point or comma, with a blank or small letters, with `Z`, `UTC` or
  an offset such as `+02:00`, `+0200` or `+02`. A name behind the offset, as in
  `+02:00[Europe/Berlin]`, is not looked at; a zone is never guessed. On the first day no offset may
  be positive, and on the last day none negative. Query parameters are read alike.
* *money*: `{"amount": 1999, "currency": "EUR"}`: whole minor units by the ISO 4217 exponent
  (EUR 2, JPY 0, KWD 3), 0 to 2^53; a margin may be negative. Sums are kept per currency and
  never added across currencies.
* Ids are printable characters of any script, including emoji and slashes; in a path they are
  percent-encoded (`a/b` is `a%2Fb`). Days are 24 hours, months are calendar months in UTC.
* Required fields are **bold**. A field that is null counts as absent.

## What an order is
**An order is (`store`, `order_id`)**; `store` defaults to the `source` of its event. Whatever the
order in which its events arrive, it is this:

* The latest `order.completed` or `order.updated` says total and margin; what an update leaves out
  stays. Totals are before refunds. Sending the order again under another event id counts once.
* A refund without `amount` takes all that is left. With a `refund_id` it counts once in its order;
  without one, every event is another refund. `order.refund_withdrawn` takes one back, by its id, or
  the latest one of just its amount.
* It is **undone** while it is cancelled, or as soon as its refunds reach its total: then it is no
  purchase, has no revenue, and silence is measured from the last purchase that stands. An order of
  0 is undone by a refund or cancellation only.
* It **stands again** when it is completed after its cancellation (paid after all: its time of
  purchase is then that of the new event; refunds made stay), or when a refund is withdrawn or the
  total rises above the refunds (with the time of purchase that it had).
* With `replacement_of` it is activity and no purchase. Whether an order of 0 is a purchase says the
  policy field `free_orders_count`.

A refund or cancellation **with** `store` means the order of that store. **Without** one it means
the order of its own source (first among those of the same original subject), else that of the same
original subject, else the only order with this id, whatever its store: so the payment provider's
refund finds the shop's order. Once matched, it stays with its order. A refund or cancellation whose
order is not known yet waits for it; updates and withdrawals do not wait.

An event about an order that changes nothing is not lost: the time line of the customer shows it as
`without_effect`, or as `waiting`, with the reason. Events about contracts, complaints and feedback
are shown as `taken`, even if there is no such contract, complaint or feedback.

## Types
An unknown customer becomes a prospect with the first event, unless the event does more or its
effect says otherwise; every event restarts the year after which a prospect fades
(`prospect_faded`). The names of rules are those in transitions.

The `data` of every type also takes `test`: an event with `"test": true` is kept and shown, and
changes nothing.
"""
_LEFT_OUT: Final = frozenset({"historical", "traceparent"})
"""Fields that readers would copy from an example by mistake."""
_CONTROL: Final = """\
## Control records
They have no `subject`, go to every partition and concern no single customer. Ingest publishes one
only after everything sent before it has been acknowledged.
"""
_REFUSED: Final = """\
## What is refused
Ingest refuses the following, with the code and the field in the receipt:

| what | code | field |
|---|---|---|
| not JSON; a lone surrogate | `unreadable` | |
| a type that is not on this page | `unknown_type` | `type` |
| a required field that is missing | `missing` | its name |
| `order.refund_withdrawn` with neither `refund_id` nor `amount` | `missing` | `data.amount` |
| an instant without a zone: `time`, `data.renews_at`, `data.effective_at` | `no_zone` | its name |
| an instant before 1900 or after 9998 | `out_of_range` | its name |
| a score outside its scale, a severity outside 1 to 3, a term outside 1 to 1,200 months \
| `invalid` | its name |
| money that is negative, not whole, above 2^53, or in no ISO 4217 currency \
| `invalid` | `data.total.amount`, … |
| an id that is empty, too long, or holds control characters | `invalid` | its name |
| a customer id that is blank, begins or ends with white space, or is a word that stands for \
nobody, in `subject` and `into` | `not_a_customer_id` | its name |
| `customer.merged` into the subject itself | `invalid` | `data.into` |
| U+0000, a number that no double holds, or more than {deepest} levels of objects and arrays \
(the event is the first) | `invalid` | `data` |
| `mergedfrom`, `mergedvia`, which only lifecycle sets | `invalid` | its name |
| `referral.succeeded`, `referral.annulled`: only the referral service publishes them, \
on its own topic | `reserved_type` | `type` |
| `customer.erasure_requested`, until customers can be erased | `not_supported_yet` | `type` |
| more than 5 minutes ahead of the clock (except in log time) | `time_in_future` | `time` |
| `clock.ticked` (except in log time) | `clock_not_settable` | `type` |
| an event of more than {largest:,} bytes | `too_large` | |

The words that stand for nobody are {no_customers}, in small letters and capitals. The setting
`STAMMKUNDE_NO_CUSTOMERS` of ingest and referral names others, with commas between them, or none
at all; the schemas of `GET /v1/event-types` refuse the same.

## What becomes of records that have not passed ingest
Every service holds every record of every topic to the same bounds, whoever wrote it: of size,
levels, numbers, instants, ids and scores. What lies beyond is a dead letter of that service; it
parks no customer, and the records behind it are read. The reasons are stable:

| reason | of a record | kept by |
|---|---|---|
| `too_large` | that is larger than any event may be; only its beginning is kept | all |
| `undecodable` | that is no envelope: not JSON or not UTF-8, U+0000, a lone surrogate, a number \
that no double holds, too many levels, a time outside the years 1900 to 9998 or without a zone, \
an id, source, type or subject that is missing, too long or cannot be printed | all |
| `wrong_partition` | on another partition than its subject's, or without a subject | all |
| `unknown_type` | on `customer-events.v1` of a type that is not on this page | lifecycle |
| `invalid_data` | whose `data` (or way of merges) is not what its type has, or lies beyond a \
bound; also of what the services tell each other | who reads the type |
| `conflicting_duplicate` | with other content under an identity that was used before | lifecycle |
| `merge_cycle` | that merges a customer into itself | lifecycle |
| `parked` | of a customer who waits for an operator: nothing is wrong with the record | all |

No date that follows from an event lies after 9998: a deadline or an offer that would end later ends
with the last instant of that year. A record of which nothing but the `time` cannot be read stands
in the customer's time line all the same, where it was recorded. A field that its type does not have
is the sender's own, even if another type has it.

## Contradictions

Events that contradict each other are accepted, with the following meaning (in the order of `time`):

| what | effect |
|---|---|
| a contract renewed before it was concluded | the renewal concludes it (12 months, if it names \
no term); the conclusion later supplies its dates and does not count as another contract |
| a cancellation of an unknown contract, or of one that has ended | none |
| a contract renewed after its end, or after the account was closed | concluded anew: a return |
| a complaint answered or resolved before it was opened | none; once opened, it is open |
| a complaint opened again while it is open | the higher severity counts, and the first time |
| refunds above the total | the whole order is undone, and no more |
| a refund or cancellation of an unknown order | `waiting`; \
an order that was wholly undone before it was completed is no purchase |
| an update, or the withdrawal of a refund, of an unknown order | none (`order_unknown`) |
| a refund that several orders could mean | `waiting` (`order_ambiguous`): name the `store` |
| a refund in another currency than the order's | none (`other_currency`) |
| a refund with a `refund_id` that its order has had | none (`refund_repeated`) |
| a withdrawal of a refund that is not known | none (`refund_unknown`) |
| an order under two event ids | is one order: the later event says its total |
| an order completed again after its cancellation | stands again, from then on |
| orders in a second currency | have a sum of their own; both count as orders |
| a margin in another currency than the total | is ignored |
| an order with a total of 0 | a purchase, unless the policy field `free_orders_count` is false |
| feedback of the same kind again | the later score replaces the earlier one |
"""
_SEGMENT: Final = """\
{fields}; `source` is `{source}`. The decimal numbers `total` and `currency` of an order become \
money, exactly: 19.99 EUR is 1999, 500 JPY is 500, 1.234 KWD is 1234. A number with more decimals \
than its currency has is refused, and so is a currency that is no longer in use. A refund with \
neither `total` nor `currency` is one of all that is left. A `rating` may be \
a text, such as `"4.5"`; a review is public unless `public` is false. Other properties are kept, \
except for null and the empty text; `context`, `anonymousId` and the rest of a call are dropped. A \
receipt names the sender's own fields (`userId`, `timestamp`, `properties.total`).
"""


def markdown(contract: Path) -> str:
    """The document.

    `contract` holds the golden examples: `examples/<type>.v1/full.json` and `segment/*.json`.
    """
    of_customers = [_section(name, contract) for name in TYPES if name not in CONTROL]
    of_control = [_section(name, contract) for name in TYPES if name in CONTROL]
    words = ", ".join(f"`{word}`" for word in NO_CUSTOMERS)
    refused = _REFUSED.format(no_customers=words, deepest=DEEPEST, largest=MAX_EVENT)
    head = _HEAD.replace("{ranks}", "\n".join(_ranks())).replace("{deepest}", str(DEEPEST))
    parts = [head, *of_customers, _CONTROL, *of_control, _segment(contract), refused]
    return "\n".join(parts)


def _ranks() -> Iterator[str]:
    """A numbered list of the types of each rank."""
    for rank in sorted(set(RANKS.values())):
        names = ", ".join(f"`{name}`" for name, its_rank in RANKS.items() if its_rank == rank)
        yield f"{rank + 1}. {names}"


def _section(name: str, contract: Path) -> str:
    full = json.loads((contract / "examples" / f"{name}.v1" / "full.json").read_text())
    example = {field: value for field, value in full.items() if field not in _LEFT_OUT}
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
    if not schema["properties"].keys() - CustomerData.model_fields.keys():
        return
    yield "| data | holds | meaning |\n|---|---|---|"
    for name, part in schema["properties"].items():
        if name in CustomerData.model_fields:
            continue
        shown = f"**{name}**" if name in schema.get("required", ()) else name
        yield f"| {shown} | {_holds(part)} | {FIELDS[name]} |"
    yield ""


_NAMED: Final = {
    "Money": "money",
    "SignedMoney": "money, also negative",
    "Discount": "`code` with `amount`",
    "Acquisition": "`channel`, `campaign`",
}
"""How a table names the objects of several types."""


def _holds(schema: Mapping[str, Any]) -> str:
    """What a value may be, in words, from its JSON Schema."""
    if "anyOf" in schema:
        choices = (choice for choice in schema["anyOf"] if choice != {"type": "null"})
        return ", or ".join(map(_holds, choices))
    if "$ref" in schema:
        return _NAMED.get(schema["$ref"].rpartition("/")[2], "anything")
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    return _holds_by_type(schema)


def _holds_by_type(schema: Mapping[str, Any]) -> str:
    kind = schema["type"]
    if kind == "array":
        return "list of " + _holds(schema["items"])
    if kind == "string":
        return _text(schema)
    if kind == "integer":
        bounds = _between(schema.get("minimum"), schema.get("maximum"))
        return f"whole number{bounds}{_default(schema)}"
    return {"boolean": "true or false", "object": "objects", "number": "number"}[kind]


def _text(schema: Mapping[str, Any]) -> str:
    if schema.get("format") == "date-time":
        return "instant"
    if "maxLength" not in schema:
        return "text"
    least = f"{schema['minLength']} " if "minLength" in schema else "up "
    return f"text, {least}to {schema['maxLength']:,}"


def _between(least: int | None, most: int | None) -> str:
    if most is None:
        return "" if least is None else f", at least {least}"
    return f", {least} to {most:,}"


def _default(schema: Mapping[str, Any]) -> str:
    return f" (default {schema['default']})" if "default" in schema else ""


def _segment(contract: Path) -> str:
    example = json.loads((contract / "segment" / "order_completed.json").read_text())
    fields = ", ".join(
        f"`{call_field}` (**required**) is `{event_field}`"
        for call_field, event_field in ENVELOPE.items()
    )
    calls = [
        f"| {name} | `{alias.type}` | {_renamed(alias.renamed)} |"
        for name, alias in ALIASES.items()
    ]
    lines = [
        "## Segment's names",
        "Ingest also takes track calls of "
        "[Segment's](https://segment.com/docs/connections/spec/) vocabulary, "
        "also mixed with events in one array, and translates them:\n",
        "| event | becomes | properties under another name |\n|---|---|---|",
        *calls,
        f"\n{_SEGMENT.format(fields=fields, source=SOURCE)}",
        *_json(example["call"]),
        "becomes\n",
        *_json(example["event"]),
    ]
    return "\n".join(lines)


def _renamed(names: Mapping[str, str]) -> str:
    return ", ".join(f"`{original}` is `{renamed}`" for original, renamed in names.items())


def _json(value: object) -> Iterator[str]:
    yield "```json"
    yield json.dumps(value, indent=2, ensure_ascii=False)
    yield "```\n"


if __name__ == "__main__":
    sys.stdout.write(markdown(Path(sys.argv[1])))
