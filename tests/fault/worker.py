"""A service's worker, made to kill or stop itself at a chosen point, or to run without a guard."""

import inspect
import os
import pkgutil
import signal
from collections.abc import Callable, Mapping, Sequence, Sized
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from shared.processes import LIFECYCLE, REACTIVATION, REFERRAL
from shared.stream.outgoing import outbox
from shared.stream.outgoing.outbox import Message
from shared.stream.outgoing.partition_queue import PartitionQueue
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
        "while_merging": ("services.lifecycle.batch.repository", "confirm_circles", True),
        "while_parting": ("services.lifecycle.batch.repository", "remove_events", True),
    },
    REACTIVATION: ANYWHERE
    | {"after_upsert": ("services.reactivation.cases.recomputation", "save_changes", True)},
    REFERRAL: ANYWHERE
    | {"after_upsert": ("services.referral.rewards.settlement", "save_rewards", True)},
}
"""Where a process can end: at the n-th call of this function, after it (True) or before."""
LOSSES: Final[dict[str, dict[str, Point]]] = {
    REACTIVATION: {
        "after_new_case": ("services.reactivation.cases.recomputation", "save_changes", True)
    },
    REFERRAL: {"after_new_claims": ("services.referral.batch.handler", "add_touches", True)},
}
"""Where what a batch has read is lost for good if its checkpoint has moved before it.

What only a tick has brought comes again with the next one.
"""
_SEVERAL: Final = 2
"""Claims of which at least one is new, and not announced twice by chance."""


class Fuse:
    """Ends the process at the n-th call that did something for a customer."""

    def __init__(self, name: str, nth: int, how: signal.Signals) -> None:
        self._name = name
        self._left = nth
        self._how = how
        self._announced = False

    def announced(self, _: object, messages: Sequence[Message]) -> None:
        """Note whether a transaction announces something of a customer: a tick has no key."""
        self._announced |= any(message.key is not None for message in messages)

    def published(self, *values: Any) -> None:
        """Note whether the rows that are about to be published are those of a customer."""
        self._announced = _are_of_a_customer(values)

    def reached(self, *values: Any) -> None:
        """Count a call by its arguments and result."""
        did_something = self._did_something(values)
        self._left -= did_something
        if did_something and self._left == 0:
            os.kill(os.getpid(), self._how)

    def _did_something(self, values: Sequence[Any]) -> bool:
        if self._name in ("after_checkpoint", "after_commit"):
            announced = self._announced
            self._announced = False
            return announced
        if self._name == "relay_after_produce":
            return self._announced
        if self._name.startswith("relay_"):
            return _are_of_a_customer(values)
        if self._name == "after_new_case":
            _, changes, _ = values
            return any(change.before is None for _, change in changes)
        if self._name == "after_new_claims":
            _, touches, *_ = values
            return len(touches) >= _SEVERAL
        return not any(isinstance(value, Sized) and not len(value) for value in values)


def _are_of_a_customer(values: Sequence[Any]) -> bool:
    """Whether the rows among the arguments of a call have a key: ticks have none."""
    rows: Sequence[Mapping[str, object]] = next(v for v in values if isinstance(v, list))
    return any(row["key"] is not None for row in rows)


def end_at(service: str, point: str, nth: int, how: signal.Signals) -> None:
    """Patch the function of a point so that its n-th call that did something ends this process."""
    place, name, after = (POINTS[service] | LOSSES.get(service, {}))[point]
    owner = pkgutil.resolve_name(place)
    fuse = Fuse(point, nth, how)
    if after:
        _patch(owner, name, after=fuse.reached)
    else:
        _patch(owner, name, before=fuse.reached)
    # Patched last, so that it is called first: what is about to happen is known at the point.
    if point == "relay_after_produce":
        _patch(PartitionQueue, "_batches", before=fuse.published)
    elif not point.startswith("relay_"):
        _patch(outbox, "add", before=fuse.announced)


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


def run(log: Path, environment: Mapping[str, str], service: str, *arguments: str) -> None:
    """Run the service's worker in this process: arm the point, or remove the guard, and go.

    The arguments are [POINT NTH SIGNAL] [--without GUARD]; what it says goes to the log.
    """
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(environment)
    if "--without" in arguments:
        place = arguments.index("--without")
        without(arguments[place + 1])
        arguments = arguments[:place]
    if arguments:
        point, nth, how = arguments
        end_at(service, point, int(nth), signal.Signals[how])
    import_module(f"services.{service}.worker").main()
