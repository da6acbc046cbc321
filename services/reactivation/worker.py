"""The worker process of reactivation: `python -m services.reactivation.worker`."""

from collections.abc import Callable
from typing import Final

from services.reactivation.batch.handler import ReactivationHandler
from services.reactivation.events import read
from services.reactivation.settings import ReactivationSettings
from shared.kafka.topics import CUSTOMER_EVENTS, PHASE_TRANSITIONS, WINBACK_EVENTS
from shared.processes import REACTIVATION, worker_of
from shared.settings import load
from shared.stream.handler import Reader, Subscription
from shared.stream.worker import run_worker

SUBSCRIPTION: Final = Subscription(
    service=REACTIVATION,
    topics=(CUSTOMER_EVENTS, PHASE_TRANSITIONS, WINBACK_EVENTS),
    tick_topics=(CUSTOMER_EVENTS, PHASE_TRANSITIONS),
    read=read,
)


def handler(settings: ReactivationSettings) -> Callable[[Reader], ReactivationHandler]:
    """Makes the handler of a session."""
    terms = settings.terms
    return lambda reader: ReactivationHandler(
        reader,
        terms,
        partitions=settings.partitions,
        timers_per_batch=settings.timers_per_batch,
    )


def main() -> None:
    """Run until SIGTERM."""
    settings = load(ReactivationSettings, worker_of(REACTIVATION))
    run_worker(SUBSCRIPTION, settings, handler(settings))


if __name__ == "__main__":
    main()
