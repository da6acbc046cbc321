"""Records that nobody checked before they came to a topic: golden ones with mutations."""

import copy
import json
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Final
from uuid import UUID

import msgspec

from services.lifecycle.domain.state.merges import Hop
from services.lifecycle.events import MERGE_ENDED, pack_way
from services.lifecycle.events import RELEASED as RELEASED_IN_LIFECYCLE
from services.reactivation.events import REGROUPED
from services.reactivation.events import RELEASED as RELEASED_IN_REACTIVATION
from services.referral.events import (
    CODE_FOUND,
    RELEASED,
    REVIEW_REQUESTED,
    REWARD_DETERMINED,
    REWARD_TRANSFERRED,
)
from shared.bounds import DEEPEST
from shared.kafka.topics import (
    CUSTOMER_EVENTS,
    PHASE_TRANSITIONS,
    REFERRAL_EVENTS,
    WINBACK_EVENTS,
)
from tests.support.builders import day, event, order, tick
from tests.support.nearly_golden import GOLDEN, Json
from tests.support.reactivation_worker import changed, corrected, transition
from tests.support.referral_codes import code_of

Raw = tuple[str, bytes]
"""The topic and the value of a record."""

REFEREE: Final = "bob"
_CLAIM: Final = str(UUID(int=7))
_FACTS: Final[Json] = {
    "order_id": "o-1",
    "referee": REFEREE,
    "recommender": "ann",
    "currency": "EUR",
    "total": 5000,
    "earned_at": "2024-01-05T12:00:00Z",
    "available_at": "2024-01-19T12:00:00Z",
    "recommender_reward": 1001,
    "referee_reward": 333,
    "returns": [
        {"time": "2024-01-07T12:00:00Z", "source": "/s", "id": "r", "gone": 100, "total": 5000}
    ],
}
REVISION: Final[Json] = {
    "claim_id": _CLAIM,
    "revision": 1,
    "facts": _FACTS,
    "earner": "ann",
    "since": "2024-01-05T12:00:00Z",
}
_TRANSFER: Final[Json] = {
    "claim_id": _CLAIM,
    "side": "recommender",
    "posting": str(UUID(int=8)),
    "currency": "EUR",
    "pending": 1001,
    "available": 0,
}
_ENDING: Final[Json] = {
    "customer": "old",
    "time": "2024-01-09T12:00:00Z",
    "unmerged": True,
    "source": "/s",
    "id": "m-2",
}
_BROUGHT: Final = {
    "mergedfrom": "old",
    "mergedvia": pack_way([Hop("old", day(3), "/s", "m-1")]),
}


def _told() -> Iterator[tuple[str, Json]]:
    """Records that several services read, and those that they write for each other."""
    code = code_of("ann")
    named = order(REFEREE, 5, id="o-1", amount=5000, referral_code=code, return_window_days=3650)
    yield from ((CUSTOMER_EVENTS, named), (CUSTOMER_EVENTS, {**order(REFEREE, 6), **_BROUGHT}))
    yield CUSTOMER_EVENTS, event(REFEREE, "customer.signed_up", 4, referral_code=code)
    yield CUSTOMER_EVENTS, {**event(REFEREE, MERGE_ENDED, 9), "data": _ENDING}
    yield CUSTOMER_EVENTS, event(REFEREE, RELEASED_IN_LIFECYCLE, 9)
    yield CUSTOMER_EVENTS, tick(30)
    lapsed = transition(REFEREE, 2, 400)
    yield PHASE_TRANSITIONS, changed(REFEREE, 1, 300)
    yield PHASE_TRANSITIONS, corrected(REFEREE, 3, 410, withdrawn=[1], added=[lapsed])
    for kind in (RELEASED_IN_REACTIVATION, REGROUPED):
        yield WINBACK_EVENTS, event(REFEREE, kind, 9)
    for kind in (REVIEW_REQUESTED, CODE_FOUND, RELEASED):
        yield REFERRAL_EVENTS, event(REFEREE, kind, 9, code=code)
    for subject in ("ann", REFEREE):
        yield REFERRAL_EVENTS, {**event(subject, REWARD_DETERMINED, 9), "data": REVISION}
        yield REFERRAL_EVENTS, {**event(subject, REWARD_TRANSFERRED, 9), "data": _TRANSFER}
    for kind in ("referral.succeeded", "referral.annulled"):
        yield REFERRAL_EVENTS, event(REFEREE, kind, 9, referee="kim", claim_id=_CLAIM)


TOLD: Final = list(_told())
FOREIGN: Final = [
    *TOLD,
    *((CUSTOMER_EVENTS, {**example, "subject": REFEREE}) for example in GOLDEN),
]
"""A record of every type that a service reads, on its topic."""

_TEXTS: Final = ("", " ", "a", "null", "a\nb", "a\u202e", "\x7f", "ä" * 200, "x" * 129, "x" * 6_000)
_INSTANTS: Final = (
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+23:00", "1900-01-01T00:00:00Z",
    "1900-01-01T00:00:00+23:59", "2024-01-05T12:00:00", "2024-01-05T12:00:00+14:00",
    "9998-12-31T23:59:59.999999Z", "9998-12-31T23:59:59-23:59", "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59.999999-23:59",
)  # fmt: skip
_NUMBERS: Final = (
    "0", "-1", "1", "-0.0", "0.5", "1.0", "1e2", "1e15", "1e308", "1e400", "-1e400", "NaN",
    "Infinity", *map(str, (3650, 3651, 2**31 - 1, 2**31, 2**53 - 1, 2**53, 2**53 + 1)),
    *map(str, (-(2**53), 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64)), "9" * 400, "9" * 5_000,
)  # fmt: skip
_OTHERS: Final = (
    "null", "true", "false", "[]", "{}", '[{"a":1}]', r'"\u0000"', r'"\\u0000"', r'"\ud800"',
    r'"\udc00\ud800"', r'"\ud83d\ude00"', "[" * (DEEPEST - 2) + "]" * (DEEPEST - 2),
    "[" * DEEPEST + "]" * DEEPEST, '{"a":' * 400 + "1.0" + "}" * 400, "[" * 5_000 + "]" * 5_000,
)  # fmt: skip
AWFUL_TEXTS: Final = tuple(map(json.dumps, _TEXTS))
AWFUL_INSTANTS: Final = tuple(map(json.dumps, _INSTANTS))
AWFUL: Final = (*AWFUL_TEXTS, *AWFUL_INSTANTS, *_NUMBERS, *_OTHERS)
"""Values as JSON (some of it is none): at the bounds, beyond them, and of wrong types."""
_ENDS: Final = ("1900-01-01T00:00:00Z", "9998-12-31T23:59:59.999999Z")
_FIELDS: Final = ("subject", "time", "mergedfrom", "mergedvia", "traceparent", "data", "x")
_BYTES: Final = (b"\xff", b"\xed\xa0\x80", b"\0", b"{", b"]", b'"', b"\\", b"\\u0000", b"9", b"-")


def mutated(random: Random) -> Raw:
    """A golden record with some awful values, and now and then with an awful byte."""
    topic, golden = random.choice(random.choice((TOLD, FOREIGN)))
    record = copy.deepcopy(golden)
    if random.random() < 0.2:
        record["time"] = random.choice(_ENDS)
    for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
        around = random.choice(list(_containers(record)))
        keys = range(len(around)) if isinstance(around, list) else [*around, random.choice(_FIELDS)]
        if keys:
            key = random.choice(keys)
            known = around[key] if isinstance(around, list) else around.get(key)
            around[key] = msgspec.Raw(random.choice(_awful_for(known, random)).encode())
    value = msgspec.json.encode(record)
    if random.random() < 0.1:
        place = random.randrange(len(value))
        value = value[:place] + random.choice(_BYTES) + value[place + random.choice((0, 1, 9)) :]
    return topic, value


def _awful_for(value: object, random: Random) -> Sequence[str]:
    """Mostly values of the kind of the one that they replace: others are seldom read on."""
    if random.random() < 0.3:
        return AWFUL
    if isinstance(value, str):
        return AWFUL_INSTANTS if value[4:5] == "-" and "T" in value else AWFUL_TEXTS
    return _NUMBERS if isinstance(value, int | float) else AWFUL


def _containers(part: Any) -> Iterator[Any]:
    """All objects and arrays in a record, itself first."""
    if isinstance(part, dict | list):
        yield part
        for inner in part.values() if isinstance(part, dict) else part:
            yield from _containers(inner)
