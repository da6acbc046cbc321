"""The schedule of policies on a real PostgreSQL: files, numbers in order, customers rearmed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import msgspec
import pytest

from services.lifecycle.domain.policy.cadence import Fit
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.policies import registry
from services.lifecycle.policies.document import PolicyDocument
from services.lifecycle.schedule import latest_number, load_schedule, next_number
from shared.clock import CLOCK_START
from shared.database import connection as db
from tests.support.builders import day
from tests.support.fresh_servers import PARTITIONS, eventually
from tests.support.pipeline import rows
from tests.support.policy_shop import Shop, new_shop, policy_api
from tests.support.server_stack import Stack

STRICT: Final = Policy(name="strict", version=7, at_risk_days=10)
WAITING: Final = (
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
)


@pytest.fixture
async def shop(stack: Stack, template: str) -> AsyncIterator[Shop]:
    """Nothing has started yet; the clock stands at noon of day 100."""
    async with new_shop(stack, template) as shop:
        await shop.set_clock(day(100))
        yield shop


async def activate(shop: Shop, policy: Policy, at: float) -> int:
    async with shop.connected() as connection:
        stored, _ = await registry.create(connection, PolicyDocument.of(policy))
        version = stored.policy.version
        return await registry.activate(connection, policy.name, version, day(at), PARTITIONS)


async def test_without_a_file_the_built_in_policy_judges_from_the_beginning(shop: Shop) -> None:
    await shop.adopt(None, day(100))
    await shop.adopt(None, day(110))
    assert await shop.activated() == [("default", 1, CLOCK_START)]
    async with shop.connected() as connection:
        schedule = await load_schedule(connection)
    assert schedule.at(day(-9999)) == Policy()
    assert schedule.known == 1


async def test_the_first_file_judges_from_the_beginning_and_the_built_in_policy_is_stored_too(
    shop: Shop,
) -> None:
    await shop.adopt(STRICT, day(100))
    assert await shop.activated() == [("strict", 7, CLOCK_START)]
    assert await shop.stored() == [("default", 1), ("strict", 7)]


async def test_beside_a_first_file_for_one_kind_of_account_the_built_in_policy_judges_the_others(
    shop: Shop,
) -> None:
    await shop.adopt(replace(STRICT, account="b2b"), day(100))
    assert await shop.activated() == [("default", 1, CLOCK_START), ("strict", 7, CLOCK_START)]
    async with shop.connected() as connection:
        schedule = await load_schedule(connection)
    assert [schedule.at(day(0), account).name for account in (None, "b2c", "b2b")] == [
        "default",
        "default",
        "strict",
    ]


async def test_a_first_file_under_the_name_of_the_built_in_policy_is_its_next_version(
    shop: Shop,
) -> None:
    await shop.adopt(Policy(at_risk_days=10), day(100))
    assert await shop.activated() == [("default", 2, CLOCK_START)]


@pytest.mark.parametrize("version", [7, 8])
async def test_the_same_file_at_a_later_start_changes_nothing_whatever_its_version(
    shop: Shop, version: int
) -> None:
    await shop.adopt(STRICT, day(100))
    await shop.adopt(replace(STRICT, version=version), day(110))
    assert await shop.activated() == [("strict", 7, CLOCK_START)]


@pytest.mark.parametrize(("version", "becomes"), [(7, 8), (9, 9), (2, 2)])
async def test_a_changed_file_is_a_new_version_from_then_on(
    shop: Shop, version: int, becomes: int
) -> None:
    await shop.adopt(STRICT, day(100))
    await shop.adopt(replace(STRICT, at_risk_days=11, version=version), day(110))
    assert await shop.activated() == [("strict", 7, CLOCK_START), ("strict", becomes, day(110))]


async def test_going_back_to_an_older_file_takes_its_old_version(shop: Shop) -> None:
    for n, at_risk_days in enumerate((10, 11, 10)):
        await shop.adopt(replace(STRICT, at_risk_days=at_risk_days), day(100 + n))
    assert await shop.activated() == [
        ("strict", 7, CLOCK_START),
        ("strict", 8, day(101)),
        ("strict", 7, day(102)),
    ]


async def test_a_file_given_later_counts_only_if_it_differs_from_what_is_in_force(
    shop: Shop,
) -> None:
    await shop.adopt(None, day(100))
    await shop.adopt(Policy(version=4), day(101))
    assert await shop.activated() == [("default", 1, CLOCK_START)]
    await shop.adopt(STRICT, day(102))
    assert await shop.activated() == [("default", 1, CLOCK_START), ("strict", 7, day(102))]


async def test_starting_again_with_or_without_the_file_does_not_undo_what_was_activated_since(
    shop: Shop,
) -> None:
    await shop.adopt(STRICT, day(100))
    await activate(shop, Policy(name="mild", at_risk_days=100), 105)
    await shop.adopt(STRICT, day(110))
    await shop.adopt(None, day(111))
    assert await shop.activated() == [("strict", 7, CLOCK_START), ("mild", 1, day(105))]


async def test_processes_that_start_at_once_adopt_a_file_once(shop: Shop) -> None:
    await asyncio.gather(*(shop.adopt(STRICT, day(100)) for _ in range(4)))
    await asyncio.gather(*(shop.adopt(replace(STRICT, at_risk_days=9), day(101)) for _ in range(4)))
    assert await shop.activated() == [("strict", 7, CLOCK_START), ("strict", 8, day(101))]


async def test_a_number_shows_only_when_all_before_it_do(shop: Shop) -> None:
    await shop.adopt(None, day(100))
    async with shop.connected() as first, shop.connected() as second, shop.connected() as reader:
        for connection, days in ((first, 1), (second, 2)):
            await registry.create(
                connection, PolicyDocument(name="p", version=days, at_risk_days=days)
            )
        async with db.transaction(first) as tx:
            earlier = await registry.activate(tx, "p", 1, day(101), 0)
            task = asyncio.create_task(registry.activate(second, "p", 2, day(102), 0))
            await eventually(
                lambda: waits_or_is_done(shop, task), what="the second waits for the first"
            )
            assert await latest_number(reader) == 1, "a number is visible behind one that is not"
        later = await task
        assert (earlier, later, await latest_number(reader)) == (2, 3, 3)
        assert (await load_schedule(reader)).known == 3


async def waits_or_is_done(shop: Shop, task: "asyncio.Task[int]") -> bool:
    return task.done() or bool(await rows(shop.url, WAITING))


async def test_accepted_fits_are_known_and_refused_ones_are_not(shop: Shop) -> None:
    await shop.adopt(replace(STRICT, silence="auto"), day(100))
    async with shop.connected() as connection:
        for reason in (None, "too few customers"):
            async with db.transaction(connection) as tx:
                number = await next_number(tx)
                fit = Fit(number, day(90), 0.5, 6.0, 0.4, 1.5)
                await tx.execute(
                    "INSERT INTO fit VALUES ($1, $2, $2, $3, $4, 600, 300, $5::json)",
                    number, day(90), reason is None, reason, msgspec.json.encode(fit).decode(),
                )  # fmt: skip
        schedule = await load_schedule(connection)
        assert [fit.version for fit in schedule.fits] == [2]
        assert schedule.known == await latest_number(connection) == 2
        assert schedule.at(day(95)).fit_at(day(95)) == schedule.fits[0]


async def test_before_any_process_has_started_the_built_in_policy_alone_is_known(
    shop: Shop,
) -> None:
    async with shop.connected() as connection:
        schedule = await load_schedule(connection)
        assert (schedule.known, await latest_number(connection)) == (0, 0)
        assert schedule.at(day(0)) == Policy()


async def test_every_activation_begins_to_tell_all_customers_anew(stack: Stack, shop: Shop) -> None:
    await shop.adopt(None, day(100))
    await shop.add_customers(*(f"c{n}" for n in range(30)))
    async with policy_api(stack, shop) as api:

        async def told() -> tuple[int, int, bool, set[int]]:
            body = (await api.get("/v1/rearming")).json()
            assert sum(part["total"] for part in body["partitions"]) == body["total"]
            return (
                body["done"],
                body["total"],
                body["finished"],
                {part["target"] for part in body["partitions"]},
            )

        assert await told() == (0, 0, True, set()), (
            "nobody is judged by anything else than what was there at first"
        )
        await activate(shop, STRICT, 101)
        assert await told() == (0, 30, False, {2})
        await rows(
            shop.url,
            "UPDATE lifecycle.rearming SET after = 'zz', done = total, finished = partition > 0",
        )
        assert await told() == (30, 30, False, {2})
        await rows(shop.url, "UPDATE lifecycle.rearming SET finished = true, edition = 1")
        await activate(shop, STRICT, 101)
        assert await told() == (30, 30, True, {2}), "the same again tells nobody anything"
        await shop.add_customers("new")
        await activate(shop, replace(STRICT, version=8, at_risk_days=11), 102)
        assert await told() == (0, 31, False, {3})
    found = await rows(shop.url, "SELECT DISTINCT after FROM lifecycle.rearming")
    assert [row["after"] for row in found] == [""]


async def test_a_file_adopted_later_tells_the_customers_of_the_partitions_that_somebody_owns(
    shop: Shop,
) -> None:
    await shop.adopt(None, day(100))
    await shop.add_customers("c1", "c2")
    await shop.adopt(STRICT, day(101))
    found = await rows(
        shop.url, "SELECT count(*) AS parts, sum(total)::int AS total FROM lifecycle.rearming"
    )
    assert [tuple(row) for row in found] == [(PARTITIONS, 2)]
