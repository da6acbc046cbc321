"""What must come of the referral program: claims, rewards and a ledger as in the plain fold."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from services.referral.domain.claims import (
    Reason,
    State,
    Touch,
    Verdict,
    determine_facts,
    judge,
    new_touch,
)
from services.referral.domain.orders import OrderEvent, purchases
from services.referral.domain.rewards import RewardFacts, Side, balance_of, movements
from services.referral.events import ShopEvent, read
from services.referral.rewards.repository import RewardSide
from shared.events import transitions
from shared.events.envelope import Envelope
from shared.events.transitions import Correction
from shared.kafka.topics import CUSTOMER_EVENTS, PHASE_TRANSITIONS, REFERRAL_EVENTS
from tests.fault.announcements import difference, received, verify_announced
from tests.fault.market import referral_settings
from tests.fault.merges import Persons, persons
from tests.fault.shop_calls import ShopCalls
from tests.support.pipeline import rows
from tests.support.referral_codes import code_of

Account = tuple[str, UUID, Side]

_LEDGER: Final = """
SELECT p.claim_id, p.side, p.kind, p.time, p.cause,
       coalesce(sum(amount) FILTER (WHERE account = 'customer:pending'), 0)::bigint AS pending,
       coalesce(sum(amount) FILTER (WHERE account = 'customer:available'), 0)::bigint AS available
FROM referral.posting AS p JOIN referral.entry ON posting_id = p.id
WHERE p.cancels IS NULL AND p.kind <> 'transferred'
    AND NOT EXISTS (SELECT 1 FROM referral.posting AS c WHERE c.cancels = p.id)
GROUP BY p.id
"""
_UNBALANCED: Final = (
    "SELECT posting_id FROM referral.entry GROUP BY posting_id, currency HAVING sum(amount) <> 0"
)
_NOT_CLEARED: Final = """
SELECT currency FROM referral.entry WHERE account = 'program:clearing'
GROUP BY currency HAVING sum(amount) <> 0
"""
_BALANCES: Final = """
SELECT p.customer, claim_id, side,
       coalesce(sum(amount) FILTER (WHERE account = 'customer:pending'), 0)::bigint AS pending,
       coalesce(sum(amount) FILTER (WHERE account = 'customer:available'), 0)::bigint AS available
FROM referral.posting AS p JOIN referral.entry ON posting_id = p.id
GROUP BY p.customer, claim_id, side
"""


@dataclass(slots=True)
class Program:
    """The referral program as everything accepted makes it; `owners` has who was given a code."""

    who: Persons
    owners: dict[str, str]
    verdicts: dict[UUID, tuple[str, Verdict]] = field(default_factory=dict)
    facts: dict[UUID, RewardFacts] = field(default_factory=dict)

    def rewards(self) -> dict[RewardSide, RewardFacts]:
        """Both sides' rewards."""
        return {
            RewardSide(claim, side): facts for claim, facts in self.facts.items() for side in Side
        }

    def account(self, reward: RewardSide) -> Account:
        """Return to whom a reward is owed, with the reward."""
        claim, side = reward
        return self.who.of(self.facts[claim].customer(side)), claim, side


async def verify_referral(bootstrap: str, database: str, shop: ShopCalls, end: datetime) -> None:
    """No claim, reward or posting is lost or doubled, in the tables and on the topic."""
    claims = await rows(database, "SELECT * FROM referral.claim")
    program = await _expected(bootstrap, database, claims)
    _verify_codes(program, shop, await _advocates(bootstrap))
    _verify_claims(claims, shop, program)
    await _verify_rewards(database, program, end)
    await _verify_ledger(database, program, end)
    assert await rows(database, "SELECT 1 FROM referral.outbox") == []
    assert await rows(database, "SELECT reason, detail FROM referral.dead_letter") == []
    await _verify_announcements(bootstrap, database, program, end)


async def _expected(bootstrap: str, database: str, claims: Sequence[asyncpg.Record]) -> Program:
    """What the events on the topics make, with the codes given and the claims over HTTP."""
    events = await received(bootstrap, CUSTOMER_EVENTS)
    who = persons(events)
    codes = await rows(
        database, "SELECT customer, code FROM referral.code WHERE customer IS NOT NULL"
    )
    program = Program(who, {row["code"]: row["customer"] for row in codes})
    touches: dict[str, dict[UUID, Touch]] = defaultdict(dict)
    orders: dict[str, list[OrderEvent]] = defaultdict(list)
    terms = referral_settings().terms
    for event in events:
        said = read(CUSTOMER_EVENTS, event)
        if not isinstance(said, ShopEvent):
            continue
        if said.order_event:
            orders[who.of(event.subject)].append(said.order_event)
        if said.code:
            made = new_touch(event.subject, event.time, event.source, event.id, said.code, terms)
            touches[who.of(event.subject)][made.id] = made
    for row in claims:
        if row["source"] == "/referral":
            made = new_touch(
                row["referee"], row["time"], row["source"], row["event"], row["code"], terms
            )
            touches[who.of(row["referee"])][made.id] = made
    for referee, found in touches.items():
        known = [replace(t, recommender=program.owners.get(t.code)) for t in found.values()]
        bought = purchases(orders[referee])
        verdicts = judge(who.members(referee), known, bought)
        program.verdicts |= {t.id: (t.referee, verdicts[t.id]) for t in known}
        program.facts |= determine_facts(known, bought, verdicts)
    return program


async def _advocates(bootstrap: str) -> set[str]:
    """Who has become an advocate, and not only in the past."""
    found = set[str]()
    for event in await received(bootstrap, PHASE_TRANSITIONS):
        said = transitions.decode(event)
        moves = said.added if isinstance(said, Correction) else (said,) if said else ()
        found |= {event.subject for move in moves if move.to == "advocate" and not move.historical}
    return found


def _verify_codes(program: Program, shop: ShopCalls, advocates: set[str]) -> None:
    """Each advocate and each who asked has a code, or had it with another id; nobody else has."""
    who = program.who
    entitled = shop.asked | advocates
    given = set(program.owners.values())
    assert program.owners == {code_of(customer): customer for customer in given}
    assert shop.codes <= program.owners.keys(), "a code was answered and is not there"
    for id in entitled:
        assert given & who.circle(id), f"{id} has no code"
    uncalled_for = {id for id in given if not entitled & who.circle(id)}
    assert not uncalled_for, f"codes for nothing: {uncalled_for}"


def _verify_claims(claims: Sequence[asyncpg.Record], shop: ShopCalls, program: Program) -> None:
    found = {row["id"]: (row["referee"], _verdict(row)) for row in claims}
    assert found == program.verdicts, f"claims differ: {difference(found, program.verdicts)}"
    assert shop.claims <= found.keys(), "a claim was answered and is not there"
    states = Counter(verdict.state for _, verdict in found.values())
    assert states.keys() >= {"qualified", "refused", "superseded"}, states


def _verdict(row: asyncpg.Record) -> Verdict:
    return Verdict(State(row["state"]), row["reason"] and Reason(row["reason"]), row["order_id"])


async def _verify_rewards(database: str, program: Program, end: datetime) -> None:
    """Every reward has the facts of its claim; both sides have seen the same revision of them."""
    stored = await rows(database, "SELECT * FROM referral.reward WHERE NOT moved")
    expected = {
        program.account(reward): (facts, balance_of(facts, reward.side, end).state)
        for reward, facts in program.rewards().items()
    }
    found = {
        (row["customer"], row["claim_id"], row["side"]): (
            msgspec.json.decode(row["facts"], type=RewardFacts),
            row["state"],
        )
        for row in stored
        if row["facts"]
    }
    assert found == expected, f"rewards differ: {difference(found, expected)}"
    revisions: dict[UUID, list[int]] = defaultdict(list)
    for row in stored:
        revisions[row["claim_id"]].append(row["revision"])
    apart = {
        claim: seen
        for claim, seen in revisions.items()
        if len(seen) != len(Side) or len(set(seen)) != 1
    }
    assert not apart, f"a recommender's reward is behind: {apart}"


async def _verify_ledger(database: str, program: Program, end: datetime) -> None:
    """Balanced; and what is in force is exactly what every reward's movements are."""
    assert await rows(database, _UNBALANCED) == []
    assert await rows(database, _NOT_CLEARED) == []
    found = Counter(tuple(row) for row in await rows(database, _LEDGER))
    expected = Counter(
        (
            *reward,
            movement.kind,
            movement.time,
            movement.cause,
            movement.pending,
            movement.available,
        )
        for reward, facts in program.rewards().items()
        for movement in movements(facts, reward.side, end)
    )
    assert found == expected, (
        f"postings: {list((found - expected).items())[:2]}, {list((expected - found).items())[:2]}"
    )
    sums = {
        (row["customer"], row["claim_id"], row["side"]): (row["pending"], row["available"])
        for row in await rows(database, _BALANCES)
    }
    stands = {
        program.account(reward): balance_of(facts, reward.side, end)
        for reward, facts in program.rewards().items()
    }
    wanted = {account: (s.pending, s.available) for account, s in stands.items()}
    assert _not_zero(sums) == _not_zero(wanted), f"balances differ: {difference(sums, wanted)}"


def _not_zero(sums: dict[Account, tuple[int, int]]) -> dict[Account, tuple[int, int]]:
    return {account: each for account, each in sums.items() if any(each)}


async def _verify_announcements(
    bootstrap: str, database: str, program: Program, end: datetime
) -> None:
    """The records on the topic add up to the codes, verdicts, recommendations and rewards."""
    events = [
        e
        for e in await verify_announced(bootstrap, database, REFERRAL_EVENTS)
        if e.source == "/referral"
    ]
    by_kind: dict[str, list[tuple[Envelope, Any]]] = defaultdict(list)
    for event in events:
        by_kind[event.type].append((event, msgspec.json.decode(event.data)))
    issued = {data["code"]: event.subject for event, data in by_kind["code.issued"]}
    assert issued == program.owners
    _verify_verdicts(events, program)
    _verify_recommendations(by_kind, program)
    _verify_standings(events, program, end)
    await _verify_determinations(database, by_kind)


def _verify_verdicts(events: list[Envelope], program: Program) -> None:
    last: dict[UUID, tuple[str, str | None]] = {}
    for event in events:
        if event.type.startswith("claim."):
            data = msgspec.json.decode(event.data)
            last[UUID(data["claim_id"])] = (event.type, data.get("reason"))
    expected = {
        claim: ("claim.refused", verdict.reason)
        if verdict.state == "refused"
        else ("claim.accepted", None)
        for claim, (_, verdict) in program.verdicts.items()
    }
    assert last == expected, f"answers differ: {difference(last, expected)}"


def _verify_recommendations(
    by_kind: dict[str, list[tuple[Envelope, Any]]], program: Program
) -> None:
    """By time, as lifecycle reads them: of a claim the last one counts, for who stays."""
    told = [*by_kind["referral.succeeded"], *by_kind["referral.annulled"]]
    told.sort(key=lambda each: (each[0].time, each[0].type == "referral.annulled"))
    last = {
        (program.who.of(event.subject), UUID(data["claim_id"])): event.type == "referral.succeeded"
        for event, data in told
    }
    expected = {
        (program.who.of(facts.recommender), claim) for claim, facts in program.facts.items()
    }
    found = {recommendation for recommendation, stands in last.items() if stands}
    assert found == expected, f"recommendations differ: {found ^ expected}"


def _verify_standings(events: list[Envelope], program: Program, end: datetime) -> None:
    """The last announcement of each reward says how it stands; of one not earned, that it is 0."""
    last: dict[RewardSide, Any] = {}
    for event in events:
        if event.type in ("reward.pending", "reward.available", "reward.reversed"):
            data = msgspec.json.decode(event.data)
            reward = RewardSide(UUID(data["claim_id"]), Side(data["side"]))
            last[reward] = data["pending"], data["available"], data["reversed"]
    expected = dict.fromkeys(last, (0, 0, 0))
    for reward, facts in program.rewards().items():
        stands = balance_of(facts, reward.side, end)
        expected[reward] = stands.pending, stands.available, stands.reversed
    assert last == expected, f"standings differ: {difference(last, expected)}"


async def _verify_determinations(
    database: str, by_kind: dict[str, list[tuple[Envelope, Any]]]
) -> None:
    """What goes from the referee's owner to the recommender's: every revision, sent on or not."""
    told: dict[UUID, set[int]] = defaultdict(set)
    for _, data in by_kind["reward.determined"]:
        told[UUID(data["claim_id"])].add(data["revision"])
    stored = await rows(
        database, "SELECT claim_id, max(revision) AS n FROM referral.reward GROUP BY claim_id"
    )
    assert {claim: sorted(seen) for claim, seen in told.items()} == {
        row["claim_id"]: list(range(1, row["n"] + 1)) for row in stored
    }
