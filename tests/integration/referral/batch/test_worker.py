"""Referral's worker on real Kafka and PostgreSQL: rewards are earned, mature and are taken back."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import asyncpg
import msgspec
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from services.referral.claims import verdicts
from services.referral.domain.claims import judge
from services.referral.domain.rewards import RewardFacts, Side, movements
from services.referral.events import RELEASED
from services.referral.rewards import outcome
from services.referral.tables import metadata
from shared.kafka.topics import REFERRAL_EVENTS
from tests.support.builders import control, day, event, order, tick
from tests.support.pipeline import publish, published, rows
from tests.support.referral_codes import code_of
from tests.support.referral_worker import (
    advocate,
    announced,
    balance,
    claims,
    refund,
    run,
    signed_up,
)
from tests.support.server_stack import Stack

pytestmark = pytest.mark.usefixtures("fresh_topics")


async def test_a_recommendation_rewards_both_when_the_return_window_ends(
    stack: Stack, database: str
) -> None:
    story = [advocate("ann", 1), signed_up("bob", 2, "ann"), order("bob", 5, amount=8000), tick(6)]
    await run(stack, database, story)
    assert await claims(database, "bob") == [("qualified", None)]
    assert (await balance(database, "ann"), await balance(database, "bob")) == ((1000, 0), (500, 0))

    await run(stack, database, [tick(30)])
    assert (await balance(database, "ann"), await balance(database, "bob")) == ((0, 1000), (0, 500))
    matured = await rows(database, "SELECT time FROM referral.posting WHERE kind = 'matured'")
    assert {row["time"] for row in matured} == {day(19)}

    told = await announced(stack, "ann", "bob")
    succeeded = next(e for e in told if e.type == "referral.succeeded")
    assert (succeeded.subject, succeeded.source, succeeded.time) == ("ann", "/referral", day(5))
    assert msgspec.json.decode(succeeded.data).keys() == {"referee", "order_id", "claim_id"}
    assert sorted(e.type for e in told if e.subject == "ann") == [
        "code.issued",
        "referral.succeeded",
        "reward.available",
        "reward.determined",
        "reward.pending",
    ]
    assert {"claim.accepted", "reward.pending", "reward.available"} <= {
        e.type for e in told if e.subject == "bob"
    }
    assert len({e.id for e in told}) == len(told)


async def test_a_code_named_before_it_is_issued_is_found_later(stack: Stack, database: str) -> None:
    await run(
        stack, database, [order("cid", 31, amount=5000, referral_code=code_of("cora")), tick(32)]
    )
    assert await claims(database, "cid") == [("refused", "unknown_code")]
    await run(stack, database, [advocate("cora", 30), tick(33)])
    assert await claims(database, "cid") == [("qualified", None)]
    assert (await balance(database, "cora"), await balance(database, "cid")) == (
        (1000, 0),
        (500, 0),
    )


async def test_a_refund_that_comes_before_its_order_and_one_after_the_window_reverse_their_shares(
    stack: Stack, database: str
) -> None:
    await run(
        stack,
        database,
        [advocate("dan", 40), signed_up("dora", 41, "dan"), refund("dora", 45, "d-1", 2000)],
    )
    await run(stack, database, [order("dora", 42, id="d-1", amount=8000), tick(46)])
    assert (await balance(database, "dan"), await balance(database, "dora")) == ((750, 0), (375, 0))
    await run(stack, database, [tick(60), refund("dora", 61, "d-1", 4000), tick(62)])
    assert (await balance(database, "dan"), await balance(database, "dora")) == ((0, 250), (0, 125))
    cancelled = event("dora", "order.cancelled", 63, order_id="d-1")
    await run(stack, database, [cancelled, cancelled, refund("dora", 64, "d-1", 4000), tick(65)])
    assert (await balance(database, "dan"), await balance(database, "dora")) == ((0, 0), (0, 0))


async def test_a_late_earlier_order_cancels_what_was_posted_and_posts_what_holds(
    stack: Stack, database: str
) -> None:
    await run(
        stack,
        database,
        [advocate("eve", 70), signed_up("emil", 71, "eve"), order("emil", 80), tick(95)],
    )
    assert await balance(database, "eve") == (0, 1000)
    await run(stack, database, [order("emil", 78, id="e-0"), tick(96)])
    assert await balance(database, "eve") == (0, 1000)
    kinds = await rows(
        database, "SELECT kind FROM referral.posting WHERE customer = 'eve' ORDER BY kind"
    )
    assert [row["kind"] for row in kinds] == [
        "cancelled",
        "cancelled",
        "earned",
        "earned",
        "matured",
        "matured",
    ]
    await run(stack, database, [order("emil", 60, id="e-x"), tick(97)])
    assert await claims(database, "emil") == [("refused", "already_customer")]
    assert (await balance(database, "eve"), await balance(database, "emil")) == ((0, 0), (0, 0))
    outcomes = [e.type for e in await announced(stack, "eve") if e.type.startswith("referral.")]
    assert outcomes == [
        "referral.succeeded",
        "referral.succeeded",
        "referral.annulled",
    ]


async def test_the_last_touch_wins_and_own_or_mistyped_codes_are_refused(
    stack: Stack, database: str
) -> None:
    touches = [
        signed_up("fay", 100, "ann"),
        event("fay", "customer.signed_up", 101, referral_code="ABC"),
        signed_up("fay", 102, "fay"),
        signed_up("fay", 103, "eve"),
    ]
    await run(stack, database, [advocate("fay", 99), *touches, order("fay", 104), tick(105)])
    assert await claims(database, "fay") == [
        ("superseded", None),
        ("refused", "mistyped_code"),
        ("refused", "self_referral"),
        ("qualified", None),
    ]
    assert await balance(database, "eve") == (1000, 0)
    assert len([e for e in await announced(stack, "fay") if e.type == "claim.refused"]) == 2


async def test_a_transition_of_the_past_gives_no_code_and_a_correction_gives_one(
    stack: Stack, database: str
) -> None:
    added = {"to": "advocate", "occurred_at": day(110).isoformat(), "historical": False}
    correction = event("gus", "phase.corrected", 111, version=2, withdrawn=[1], added=[added])
    await run(stack, database, [advocate("gil", 110, historical=True), correction])
    codes = await rows(
        database, "SELECT customer, code FROM referral.code WHERE customer IN ('gil', 'gus')"
    )
    assert [(row["customer"], row["code"]) for row in codes] == [("gus", code_of("gus"))]


async def test_only_the_last_part_of_a_correction_makes_an_advocate(
    stack: Stack, database: str
) -> None:
    """The worker ends after each part, and a part comes twice, as from a relay that was killed."""
    move = {"to": "advocate", "occurred_at": day(110).isoformat(), "historical": False}

    def part(number: int, *added: dict[str, Any]) -> dict[str, Any]:
        return event(
            "zoe", "phase.corrected", 111, id=f"{number}", added=added, part=number, parts=3
        )

    async def codes() -> list[datetime]:
        query = "SELECT issued_at FROM referral.code WHERE customer = 'zoe'"
        return [row["issued_at"] for row in await rows(database, query)]

    for half in (part(1, move), part(2)):
        await run(stack, database, [half, half])
        assert await codes() == []
    await run(stack, database, [part(3)])
    assert await codes() == [day(110)]
    assert await rows(database, "SELECT FROM referral.pending_advocate") == []


async def test_records_read_again_change_nothing(stack: Stack, database: str) -> None:
    before = await rows(database, "SELECT id FROM referral.posting ORDER BY seq")
    told = sorted(e.id for e in await published(stack.bootstrap, REFERRAL_EVENTS))
    connection = await asyncpg.connect(database)
    await connection.execute("UPDATE referral.checkpoint SET next_offset = 0")
    await connection.close()
    await run(stack, database, [])
    assert await rows(database, "SELECT id FROM referral.posting ORDER BY seq") == before
    assert sorted(e.id for e in await published(stack.bootstrap, REFERRAL_EVENTS)) == told


async def test_more_deadlines_than_fit_in_one_batch_all_fire(stack: Stack, database: str) -> None:
    crowd = [e for n in range(40) for e in (signed_up(f"h{n}", 120, "ann"), order(f"h{n}", 121))]
    _, already = await balance(database, "ann")
    await run(stack, database, [*crowd, tick(122)])
    await run(stack, database, [tick(136)], timers_per_batch=3)
    assert await balance(database, "ann") == (0, already + 40_000)
    assert await rows(database, "SELECT 1 FROM referral.reward WHERE due_at <= '2024-05-15'") == []


async def test_a_bad_record_is_set_aside_and_the_next_is_read(stack: Stack, database: str) -> None:
    bad = event(
        "ida", "order.completed", 140, order_id="i-1", total={"amount": -1, "currency": "EUR"}
    )
    nul = order("ida", 141, id="i-\0")
    await run(stack, database, [bad, nul, order("ida", 142, id="i-2")])
    letters = await rows(database, "SELECT reason FROM referral.dead_letter")
    assert sorted(row["reason"] for row in letters) == ["invalid_data", "undecodable"]
    kept = await rows(database, "SELECT id FROM referral.order_event WHERE customer = 'ida'")
    assert [row["id"] for row in kept] == ["i-2"]


async def test_a_referee_who_cannot_be_judged_is_parked_alone(
    stack: Stack, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = judge

    def fragile(person: Collection[str], *rest: Any) -> Any:
        if "jan" in person:
            raise ArithmeticError("a bug")
        return real(person, *rest)

    monkeypatch.setattr(verdicts, "judge", fragile)
    pair = [e for name in ("jan", "joe") for e in (signed_up(name, 150, "ann"), order(name, 151))]
    await run(stack, database, [*pair, tick(152)])
    parked = await rows(database, "SELECT customer FROM referral.member WHERE parked IS NOT NULL")
    assert [row["customer"] for row in parked] == ["jan"]
    assert (await balance(database, "jan"), await balance(database, "joe")) == ((0, 0), (500, 0))


async def kinds(database: str, customer: str) -> list[str]:
    query = "SELECT kind FROM referral.posting WHERE customer = $1 ORDER BY seq"
    return [row["kind"] for row in await rows(database, query, customer)]


async def test_an_import_holds_the_end_of_old_return_windows_back(
    stack: Stack, database: str
) -> None:
    before = [
        advocate("kai", 160),
        signed_up("kit", 161, "kai"),
        order("kit", 162, id="k-1", amount=8000),
    ]
    await run(stack, database, [*before, tick(200)])
    assert await balance(database, "kai") == (0, 1000)

    old = [
        e
        for n in (1, 2)
        for e in (signed_up(f"l{n}", 170, "lea"), order(f"l{n}", 171, id=f"l-{n}", amount=8000))
    ]
    young = [signed_up("mo", 195, "mia"), order("mo", 196)]
    started = control("import.started", 200)
    await run(
        stack,
        database,
        [started, advocate("lea", 160), advocate("mia", 160), *old, *young],
        timers_per_batch=1,
    )
    await run(stack, database, [refund("kit", 163, "k-1", 4000), tick(220)], timers_per_batch=1)
    assert await balance(database, "lea") == (2000, 0), (
        "due on day 185, before the import began on day 200"
    )
    assert await balance(database, "mia") == (0, 1000), "due on day 210"
    assert await balance(database, "kai") == (0, 500), "what was available stays so"

    await run(stack, database, [refund("l1", 175, "l-1", 4000)])
    assert await balance(database, "lea") == (1500, 0)
    await run(stack, database, [control("import.finished", 220), tick(221)])
    assert await balance(database, "lea") == (0, 1500)
    assert sorted(await kinds(database, "lea")) == [
        "earned",
        "earned",
        "matured",
        "matured",
        "reversed",
    ]
    matured = await rows(
        database, "SELECT time FROM referral.posting WHERE customer = 'lea' AND kind = 'matured'"
    )
    assert {row["time"] for row in matured} == {day(185)}


async def test_the_rewards_of_a_parked_customer_wait_for_the_release_and_keep_nobody_waiting(
    stack: Stack, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ""

    def fragile(facts: RewardFacts | None, side: Side, as_of: datetime) -> Any:
        if facts and facts.customer(side) == "pia" and facts.referee == first and as_of > day(240):
            raise ArithmeticError("a bug")
        return movements(facts, side, as_of)

    monkeypatch.setattr(outcome, "movements", fragile)
    pair = [e for n in range(3) for e in (signed_up(f"p{n}", 231, "pia"), order(f"p{n}", 232))]
    await run(stack, database, [advocate("pia", 230), *pair, tick(233)])
    assert await balance(database, "pia") == (3000, 0)
    query = "SELECT referee FROM referral.claim WHERE recommender = 'pia' ORDER BY id"
    first = (await rows(database, query))[0]["referee"]
    await run(stack, database, [tick(250)])
    parked = await rows(database, "SELECT parked FROM referral.member WHERE customer = 'pia'")
    assert [row["parked"].partition(" at ")[0] for row in parked] == ["ArithmeticError"]
    monkeypatch.setattr(outcome, "movements", movements)
    await run(stack, database, [tick(252)], timers_per_batch=1)
    assert await balance(database, "pia") == (3000, 0), "the other two rewards rest as well"
    assert await balance(database, "p1") == (0, 500)
    await publish(stack.bootstrap, [event("pia", RELEASED, 252)], topic=REFERRAL_EVENTS)
    await run(stack, database, [])
    assert await balance(database, "pia") == (0, 3000)


async def test_a_recommendation_that_holds_again_is_announced_anew_and_after_its_annulment(
    stack: Stack, database: str
) -> None:
    before = [advocate("nia", 260), signed_up("ned", 261, "nia"), order("ned", 262, id="n-1")]
    await run(stack, database, [*before, tick(270)])
    await run(stack, database, [order("ned", 255, id="n-0"), tick(271)])
    cancelled = event("ned", "order.cancelled", 265, order_id="n-0")
    await run(stack, database, [cancelled, tick(272)])
    assert await claims(database, "ned") == [("qualified", None)]
    told = [e for e in await announced(stack, "nia") if e.type.startswith("referral.")]
    assert [(e.type, e.time) for e in told] == [
        ("referral.succeeded", day(262)),
        ("referral.annulled", day(262)),
        ("referral.succeeded", day(265)),
    ]
    assert len({e.id for e in told}) == len(told)


async def test_the_migrations_build_the_tables_that_are_declared(database: str) -> None:
    def differences(connection: sa.Connection) -> list[Any]:
        options = {
            "include_schemas": True,
            "include_name": lambda name, kind, _: kind != "schema" or name == "referral",
            "version_table_schema": "referral",
        }
        return list(
            compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        )

    engine = create_async_engine(database.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()
