"""Whatever dies: no event is lost, no transition doubled or missing, no version skipped."""

import signal
from collections.abc import Callable

import psutil
import pytest

from shared.processes import LIFECYCLE
from tests.fault.processes import PATIENCE_S, SEEDS, Workers, workers
from tests.fault.shop import simulate
from tests.fault.traffic import Traffic, generate, verify
from tests.fault.worker import POINTS
from tests.support.fresh_servers import eventually
from tests.support.pipeline import publish, rows, settled
from tests.support.server_stack import Stack

GUARDS = {"transaction": "after_upsert", "dedupe": "after_poll", "outbox": "relay_after_produce"}


async def recover(
    stack: Stack, database: str, group: Workers, traffic: Traffic, *arguments: str
) -> None:
    """A sound worker finishes the job; then everything must be as if nothing had happened."""
    worker = await group.start(*arguments)
    await settled(stack, database, "lifecycle", within_s=PATIENCE_S)
    assert await group.stop(worker) == 0
    await verify(stack.bootstrap, database, traffic)


def _places() -> list[tuple[list[str], Callable[[int], Traffic]]]:
    """Return every point, three to a run, each with the traffic of a simulated shop.

    With many seeds they come with generated traffic too.
    """
    kinds = (generate, simulate) if len(SEEDS) > 1 else (simulate,)
    points = list(POINTS[LIFECYCLE])
    return [(points[n : n + 3], kind) for n in range(0, len(points), 3) for kind in kinds]


def _named(each: list[str] | Callable[[int], Traffic]) -> str:
    return "-".join(each) if isinstance(each, list) else each.__name__


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("points", "traffic_of"), _places(), ids=_named)
async def test_a_worker_killed_at_any_point_leaves_nothing_lost_or_doubled(
    stack: Stack,
    clean_database: str,
    points: list[str],
    traffic_of: Callable[[int], Traffic],
    seed: int,
) -> None:
    traffic = traffic_of(seed)
    await publish(stack.bootstrap, traffic.events)
    async with workers(stack, clean_database) as group:
        for number, point in enumerate(points, seed):
            nth = 1 if point == "while_parting" else 1 + number % 4
            victim = await group.start(point, str(nth), "SIGKILL")
            assert await victim.wait() == -signal.SIGKILL
        await recover(stack, clean_database, group, traffic)


@pytest.mark.parametrize("point", ["after_poll", "after_upsert"])
async def test_an_owner_that_was_stopped_while_another_took_over_changes_nothing(
    stack: Stack, clean_database: str, point: str
) -> None:
    traffic = generate(SEEDS[0])
    await publish(stack.bootstrap, traffic.events)
    async with workers(stack, clean_database) as group:
        zombie = await group.start(point, "4", "SIGSTOP", worker="zombie")
        await eventually(lambda: _stopped(zombie.pid), within_s=PATIENCE_S)
        heir = await group.start(worker="heir")
        await settled(stack, clean_database, "lifecycle", within_s=PATIENCE_S)
        zombie.send_signal(signal.SIGCONT)
        await eventually(
            lambda: "session.ended" in group.log() or zombie.returncode is not None,
            within_s=PATIENCE_S,
        )
        await verify(stack.bootstrap, clean_database, traffic)
        await group.stop(zombie)
        await settled(stack, clean_database, "lifecycle", within_s=PATIENCE_S)
        assert await group.stop(heir) == 0
        await verify(stack.bootstrap, clean_database, traffic)


async def test_a_killed_broker_and_a_killed_database_cost_time_but_no_event(
    stack: Stack, clean_database: str
) -> None:
    traffic = generate(SEEDS[0])
    third = len(traffic.events) // 3
    async with workers(stack, clean_database) as group:
        worker = await group.start()
        await publish(stack.bootstrap, traffic.events[:third])
        await eventually(lambda: _applied(clean_database), within_s=PATIENCE_S)
        await stack.postgres.kill()
        await stack.postgres.start()
        await publish(stack.bootstrap, traffic.events[third : 2 * third])
        await stack.kafka.kill()
        await stack.kafka.start()
        await publish(stack.bootstrap, traffic.events[2 * third :])
        await settled(stack, clean_database, "lifecycle", within_s=PATIENCE_S)
        assert await group.stop(worker) == 0
        await verify(stack.bootstrap, clean_database, traffic)


async def test_workers_that_join_and_leave_under_load_share_the_work_without_a_trace(
    stack: Stack, clean_database: str
) -> None:
    traffic = generate(SEEDS[0])
    quarter = len(traffic.events) // 4
    async with workers(stack, clean_database) as group:
        first = await group.start(worker="a")
        await publish(stack.bootstrap, traffic.events[:quarter])
        await eventually(lambda: _applied(clean_database), within_s=PATIENCE_S)
        second = await group.start(worker="b")
        await publish(stack.bootstrap, traffic.events[quarter : 2 * quarter])
        await eventually(
            lambda: group.log().count("partitions.assigned") >= 3,
            within_s=PATIENCE_S,
            what="two share",
        )
        assert await group.stop(first) == 0
        await publish(stack.bootstrap, traffic.events[2 * quarter :])
        await settled(stack, clean_database, "lifecycle", within_s=PATIENCE_S)
        assert await group.stop(second) == 0
        await verify(stack.bootstrap, clean_database, traffic)


@pytest.mark.parametrize("guard", GUARDS)
async def test_without_its_guard_the_same_check_fails(
    stack: Stack, clean_database: str, guard: str
) -> None:
    traffic = generate(SEEDS[0])
    await publish(stack.bootstrap, traffic.events)
    async with workers(stack, clean_database) as group:
        victim = await group.start(GUARDS[guard], "3", "SIGKILL", "--without", guard)
        await victim.wait()
        # A relay that deletes too early finds nothing to delete afterwards, and so fences itself:
        # it would never rest.
        unguarded = () if guard == "outbox" else ("--without", guard)
        with pytest.raises(
            AssertionError, match=r"histories differ|versions with a gap, or doubled"
        ):
            await recover(stack, clean_database, group, traffic, *unguarded)


def _stopped(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_STOPPED


async def _applied(database: str) -> bool:
    found = await rows(
        database, "SELECT coalesce(sum(next_offset), 0) AS n FROM lifecycle.checkpoint"
    )
    return int(found[0]["n"]) > 0
