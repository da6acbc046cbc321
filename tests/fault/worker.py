"""A service's worker, made to kill or stop itself at a chosen point, or to run without a guard.

Usage: python -m tests.fault.worker SERVICE [POINT NTH SIGNAL] [--without GUARD]
"""

import inspect
import os
import pkgutil
import signal
import sys
from collections.abc import Callable, Sized
from importlib import import_module
from typing import Any, Final

from shared.processes import LIFECYCLE, REACTIVATION, REFERRAL
from shared.stream.outgoing import outbox
from tests.fault.guards import without

Point = tuple[str, str, bool]

ANYWHERE: Final[dict[str, Point]] = {
    "after_poll": ("shared.stream.fetcher:Fetcher", "fetch", True),
    "after_outbox": ("shared.stream.outgoing.outbox", "add", True),
    "after_checkpoint": ("shared.stream.log.ownership", "advance", True),
    "after_commit": ("shared.stream.outgoing.relay:Relay", "wake", False),
    "relay_before_produce": ("shared.stream.outgoing.relay:Relay", "_send", False),
    "relay_after_produce": ("aiokafka:AIOKafkaProducer", "send_batch", True),
    "relay_after_ack": ("shared.stream.outgoing.relay:Relay", "_send", True),
}
POINTS: Final[dict[str, dict[str, Point]]] = {
    LIFECYCLE: ANYWHERE
    | {
        "after_dedupe": ("services.lifecycle.batch.arrivals:Arrivals", "visits", True),
        "after_upsert": ("services.lifecycle.batch.repository", "save_customers", True),
        "while_merging": ("services.lifecycle.batch.repository", "refuse_cycles", True),
    },
    REACTIVATION: ANYWHERE
    | {"after_upsert": ("services.reactivation.cases.recomputation", "save_changes", True)},
    REFERRAL: ANYWHERE
    | {"after_upsert": ("services.referral.rewards.settlement", "save_rewards", True)},
}
"""Where a process can end: at the n-th call of this function, after it (True) or before."""


class Fuse:
    """Ends the process at the n-th call that did something."""

    def __init__(self, name: str, nth: int, how: signal.Signals) -> None:
        self._at_commit = name in ("after_checkpoint", "after_commit")
        self._left = nth
        self._how = how
        self._announced = False

    def announced(self, _: object, messages: Sized) -> None:
        self._announced |= len(messages) > 0

    def reached(self, *values: object) -> None:
        """Count a call by its arguments and result: one with something empty did nothing."""
        if self._at_commit:
            did_something = self._announced
            self._announced = False
        else:
            did_something = not any(isinstance(value, Sized) and not len(value) for value in values)
        self._left -= did_something
        if did_something and self._left == 0:
            os.kill(os.getpid(), self._how)


def end_at(service: str, point: str, nth: int, how: signal.Signals) -> None:
    """Patch the function of a point so that its n-th call that did something ends this process."""
    place, name, after = POINTS[service][point]
    owner = pkgutil.resolve_name(place)
    fuse = Fuse(point, nth, how)
    _patch(outbox, "add", before=fuse.announced)
    if after:
        _patch(owner, name, after=fuse.reached)
    else:
        _patch(owner, name, before=fuse.reached)


def _nothing(*_: object) -> None:
    return


def _patch(
    owner: Any,
    name: str,
    *,
    before: Callable[..., None] = _nothing,
    after: Callable[..., None] = _nothing,
) -> None:
    original: Callable[..., Any] = getattr(owner, name)

    async def patched(*args: Any, **kwargs: Any) -> Any:
        before(*args)
        result = await original(*args, **kwargs)
        after(*args, result)
        return result

    def patched_sync(*args: Any, **kwargs: Any) -> Any:
        before(*args)
        result = original(*args, **kwargs)
        after(*args, result)
        return result

    setattr(owner, name, patched if inspect.iscoroutinefunction(original) else patched_sync)


def main() -> None:
    """Arm the point, remove the guard, run."""
    service, *arguments = sys.argv[1:]
    if "--without" in arguments:
        place = arguments.index("--without")
        without(arguments[place + 1])
        arguments = arguments[:place]
    if arguments:
        point, nth, how = arguments
        end_at(service, point, int(nth), signal.Signals[how])
    import_module(f"services.{service}.worker").main()


if __name__ == "__main__":
    main()
