"""The workers of all services, to run in a test's process by the name of the service."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, NamedTuple

from services.lifecycle.batch.handler import LifecycleHandler
from services.lifecycle.batch.schedule_watch import PolicyFile
from services.lifecycle.worker import SUBSCRIPTION as LIFECYCLE
from services.reactivation.worker import SUBSCRIPTION as REACTIVATION
from services.reactivation.worker import handler
from services.referral.batch.handler import ReferralHandler
from services.referral.worker import SUBSCRIPTION as REFERRAL
from shared.settings import Settings
from shared.stream.handler import Handler, Reader, Subscription
from tests.support import reactivation_worker, referral_worker
from tests.support.lifecycle_worker import POLICY
from tests.support.pipeline import running, worker_settings
from tests.support.server_stack import Stack


class ServiceWorker(NamedTuple):
    """What the worker of a service is made of."""

    subscription: Subscription
    settings: Callable[..., Any]
    new_handler: Callable[[Any, Reader], Handler[Any]]


WORKERS: Final[Mapping[str, ServiceWorker]] = {
    "lifecycle": ServiceWorker(
        LIFECYCLE,
        worker_settings,
        lambda settings, reader: LifecycleHandler(reader, settings, PolicyFile(POLICY)),
    ),
    "reactivation": ServiceWorker(
        REACTIVATION,
        reactivation_worker.settings,
        lambda settings, reader: handler(settings)(reader),
    ),
    "referral": ServiceWorker(
        REFERRAL,
        referral_worker.settings,
        lambda settings, reader: ReferralHandler(reader, settings),
    ),
}


def running_worker(
    service: str, stack: Stack, database: str, **more: Any
) -> AbstractAsyncContextManager[None]:
    """Run the worker of a service until the block ends."""
    worker = WORKERS[service]
    settings: Settings = worker.settings(stack, database, **more)
    return running(
        worker.subscription, settings, lambda reader: worker.new_handler(settings, reader)
    )
