"""Reactivation's worker on real Kafka and PostgreSQL: from transitions and orders to cases."""

import asyncpg
import msgspec
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from services.reactivation.tables import metadata
from shared.events.envelope import Envelope
from shared.instants import render
from shared.kafka.topics import CUSTOMER_EVENTS
from tests.support.builders import day, order, tick
from tests.support.fresh_servers import eventually
from tests.support.pipeline import rows, settled
from tests.support.reactivation_worker import (
    api,
    case_of,
    changed,
    corrected,
    facts,
    run,
    send,
    transition,
    worker,
)
from tests.support.server_stack import Stack

pytestmark = pytest.mark.usefixtures("fresh_topics")


def types(found: list[Envelope]) -> list[str]:
    return [each.type for each in found]


async def tell(stack: Stack, at: float) -> None:
    await send(stack, events=[tick(at)], transitions=[tick(at)])


async def test_a_lapse_opens_a_case_and_an_order_with_its_code_wins_the_customer_back(
    stack: Stack, database: str
) -> None:
    await send(stack, events=[order("ada", 0)], transitions=[changed("ada", 1, 180)])
    await run(stack, database)
    async with api(stack, database) as client:
        opened = await case_of(client, "ada")
        assert (opened["state"], opened["opened_at"]) == ("offered", render(day(180)))
        assert opened["offer"]["incentive"] == {"kind": "percent", "value": 10}
        code = opened["offer"]["code"]
        spelt = f"{code[:4]}-{code[4:]}".lower()
        await send(stack, events=[order("ada", 185, id="back", coupon=spelt)])
        await run(stack, database)
        closed = await case_of(client, "ada")
    assert (closed["state"], closed["order_id"], closed["with_code"]) == ("won_back", "back", True)
    assert closed["closed_at"] == render(day(185))
    assert (closed["offer"]["state"], closed["offer"]["order_id"]) == ("redeemed", "back")
    told = await facts(stack, "ada")
    assert types(told) == ["case.opened", "offer.made", "case.closed"]
    bodies = [msgspec.json.decode(each.data) for each in told]
    assert [body["version"] for body in bodies] == [1, 2, 3]
    assert bodies[1]["code"] == code
    assert (bodies[2]["state"], bodies[2]["order_id"], bodies[2]["with_code"]) == (
        "won_back",
        "back",
        True,
    )
    assert told[0].source == "/reactivation"


async def test_orders_that_come_before_the_transition_they_follow_count_all_the_same(
    stack: Stack, database: str
) -> None:
    await send(stack, events=[order("ben", 0), order("ben", 190, id="ben-back")])
    await run(stack, database)
    await send(stack, transitions=[changed("ben", 1, 180)])
    await run(stack, database)
    assert types(await facts(stack, "ben")) == ["case.opened", "offer.made", "case.closed"]
    (case,) = await rows(database, "SELECT * FROM reactivation.winback_case WHERE customer = 'ben'")
    assert (case["state"], case["order_id"], case["with_code"]) == ("won_back", "ben-back", False)


async def test_no_case_without_a_purchase_nor_for_what_is_only_history(
    stack: Stack, database: str
) -> None:
    nobody = [
        changed("cy", 1, 180, orders=0, rule="prospect_faded"),
        changed("di", 1, 180, historical=True),
        changed("ed", 1, 180, to="at_risk", rule="silence_begins"),
    ]
    await send(stack, transitions=nobody)
    await run(stack, database)
    assert (
        await rows(
            database, "SELECT * FROM reactivation.winback_case WHERE customer IN ('cy', 'di', 'ed')"
        )
        == []
    )


async def test_a_case_expires_at_its_deadline_when_the_clock_of_both_topics_has_passed_it(
    stack: Stack, database: str
) -> None:
    await send(stack, transitions=[changed("fay", 1, 180)])
    await run(stack, database)

    async def ticked() -> bool:
        read = await rows(
            database, "SELECT ticked FROM reactivation.checkpoint WHERE topic = $1", CUSTOMER_EVENTS
        )
        return {row["ticked"] for row in read} == {day(220)}

    async with worker(stack, database):
        await send(stack, events=[tick(220)])
        await eventually(ticked, what="the tick of one topic is read")
        assert types(await facts(stack, "fay")) == ["case.opened", "offer.made"]
        await send(stack, transitions=[tick(220)])
        await settled(stack, database, "reactivation")
    (*_, closed) = await facts(stack, "fay")
    assert (closed.type, closed.time) == ("case.closed", day(210))
    assert msgspec.json.decode(closed.data)["state"] == "expired"
    assert (
        await rows(database, "SELECT * FROM reactivation.timer WHERE due_at <= $1", day(220)) == []
    )


async def test_more_deadlines_than_fit_in_one_batch_all_fire_before_the_clock_moves(
    stack: Stack, database: str
) -> None:
    crowd = [f"crowd-{n}" for n in range(100)]
    await send(stack, transitions=[changed(name, 1, 300) for name in crowd])
    await tell(stack, 331)
    await run(stack, database, timers_per_batch=24)
    ended = await rows(
        database,
        "SELECT DISTINCT state, ended_at FROM reactivation.winback_case "
        "WHERE customer LIKE 'crowd-%'",
    )
    assert [tuple(row) for row in ended] == [("expired", day(330))]
    assert {
        row["clock"] for row in await rows(database, "SELECT clock FROM reactivation.owner")
    } == {day(331)}


async def test_a_correction_that_undoes_the_transition_cancels_the_case(
    stack: Stack, database: str
) -> None:
    await send(stack, transitions=[changed("gus", 1, 400)])
    await run(stack, database)
    await send(stack, transitions=[corrected("gus", 2, 401, withdrawn=[1])])
    await run(stack, database)
    told = await facts(stack, "gus")
    assert types(told) == ["case.opened", "offer.made", "case.cancelled"]
    assert msgspec.json.decode(told[-1].data)["reason"] == "transition_withdrawn"
    assert msgspec.json.decode(told[-1].data)["was"] == "offered"
    assert await rows(database, "SELECT * FROM reactivation.timer WHERE customer = 'gus'") == []


async def test_a_transition_withdrawn_and_added_again_keeps_its_case(
    stack: Stack, database: str
) -> None:
    await send(stack, transitions=[changed("hal", 1, 400)])
    await run(stack, database)
    again = transition("hal", 2, 400, historical=True)
    await send(stack, transitions=[corrected("hal", 2, 410, withdrawn=[1], added=[again])])
    await run(stack, database)
    assert types(await facts(stack, "hal")) == ["case.opened", "offer.made"]


async def test_records_that_come_again_out_of_order_change_nothing(
    stack: Stack, database: str
) -> None:
    lapse = changed("ida", 1, 400)
    undo = corrected("ida", 2, 401, withdrawn=[1])
    lapse_2 = changed("ida", 3, 405)
    bought = order("ida", 407, id="ida-back")
    await send(stack, events=[bought], transitions=[lapse, undo, lapse_2])
    await run(stack, database)
    before = await rows(database, "SELECT * FROM reactivation.winback_case WHERE customer = 'ida'")
    assert [(row["opened_at"], row["state"]) for row in before] == [(day(405), "won_back")]
    await send(stack, events=[bought, bought], transitions=[lapse_2, lapse, undo, lapse])
    await run(stack, database)
    assert (
        await rows(database, "SELECT * FROM reactivation.winback_case WHERE customer = 'ida'")
        == before
    )
    assert types(await facts(stack, "ida")) == ["case.opened", "offer.made", "case.closed"]


async def test_a_case_comes_back_if_its_transition_holds_after_all(
    stack: Stack, database: str
) -> None:
    await send(stack, transitions=[changed("jo", 1, 400)])
    await run(stack, database)
    await send(stack, transitions=[corrected("jo", 2, 401, withdrawn=[1])])
    await run(stack, database)
    back = transition("jo", 3, 400)
    await send(stack, transitions=[corrected("jo", 3, 402, withdrawn=[2], added=[back])])
    await run(stack, database)
    told = await facts(stack, "jo")
    assert types(told) == [
        "case.opened",
        "offer.made",
        "case.cancelled",
        "case.opened",
        "offer.made",
    ]
    assert len({each.id for each in told}) == 5
    codes = {msgspec.json.decode(each.data)["code"] for each in told if each.type == "offer.made"}
    assert len(codes) == 1


async def test_a_record_that_cannot_be_read_is_set_aside(stack: Stack, database: str) -> None:
    broken = changed("kim", 1, 400)
    del broken["data"]["profile"]
    await send(
        stack,
        events=[{**order("kim", 0), "data": {"total": 3}}],
        transitions=[broken, changed("kim", 2, 401)],
    )
    await run(stack, database)
    letters = await rows(
        database, "SELECT topic, reason FROM reactivation.dead_letter ORDER BY topic"
    )
    assert [row["reason"] for row in letters] == ["invalid_data", "invalid_data"]
    assert (
        len(await rows(database, "SELECT * FROM reactivation.winback_case WHERE customer = 'kim'"))
        == 1
    )


async def test_the_database_keeps_one_running_case_for_each_customer(database: str) -> None:
    connection = await asyncpg.connect(database)
    copy = """
    INSERT INTO reactivation.winback_case
        (id, customer, origin, partition, version, state, opened_at, rule, phase, cooldown_days)
    SELECT gen_random_uuid(), customer, origin, partition, 1, 'offered', opened_at, rule, phase, 90
    FROM reactivation.winback_case WHERE state = 'offered' LIMIT 1
    """
    try:
        with pytest.raises(asyncpg.UniqueViolationError, match="winback_case_running"):
            await connection.execute(copy)
    finally:
        await connection.close()


async def test_the_migrations_make_exactly_the_declared_tables(database: str) -> None:
    engine = create_async_engine(database.replace("postgresql://", "postgresql+asyncpg://", 1))

    def differences(connection: sa.Connection) -> list[object]:
        options = {
            "include_schemas": True,
            "include_name": lambda name, kind, _: kind != "schema" or name == "reactivation",
            "version_table_schema": "reactivation",
            "compare_type": True,
        }
        return list(
            compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        )

    try:
        async with engine.connect() as connection:
            assert await connection.run_sync(differences) == []
    finally:
        await engine.dispose()


async def test_nobody_acts_on_a_correction_before_its_last_part(
    stack: Stack, database: str
) -> None:
    """The worker ends after each part, and a part comes twice, as from a relay that was killed."""
    await send(stack, transitions=[changed(name, 1, 1000) for name in ("gil", "wyn")])
    await run(stack, database)
    opened = ["case.opened", "offer.made"]
    early, late = transition("gil", 1, 900), transition("gil", 2, 940)
    for part in (
        corrected("gil", 2, 1001, withdrawn=[], added=[early], part=1, parts=3),
        corrected("gil", 3, 1001, withdrawn=[], added=[late], part=2, parts=3),
    ):
        await send(stack, transitions=[part, part])
        await run(stack, database)
        assert types(await facts(stack, "gil")) == opened
    last = corrected("gil", 4, 1001, withdrawn=[1], part=3, parts=3, current="inactive")
    whole = corrected("wyn", 2, 1001, withdrawn=[1], added=[early, late], current="inactive")
    await send(stack, transitions=[last, whole])
    await run(stack, database)
    assert types(await facts(stack, "gil")) == types(await facts(stack, "wyn")) != opened
    async with api(stack, database) as client:
        gil, wyn = [
            (await client.get("/v1/cases", params={"customer": name})).json()["items"]
            for name in ("gil", "wyn")
        ]
    assert [(case["state"], case["opened_at"]) for case in gil] == [
        (case["state"], case["opened_at"]) for case in wyn
    ]
