"""The worker of lifecycle: `python -m services.lifecycle.worker`."""

from typing import Final

from services.lifecycle.batch.handler import LifecycleHandler
from services.lifecycle.batch.schedule_watch import PolicyFile
from services.lifecycle.changes.repository import ARCHIVE
from services.lifecycle.events import read
from services.lifecycle.policies.document import load_policy
from services.lifecycle.settings import LifecycleSettings
from shared.kafka.topics import CUSTOMER_EVENTS, REFERRAL_EVENTS
from shared.processes import LIFECYCLE, worker_of
from shared.settings import load
from shared.stream.handler import Subscription
from shared.stream.worker import run_worker

SUBSCRIPTION: Final = Subscription(
    service=LIFECYCLE,
    topics=(CUSTOMER_EVENTS, REFERRAL_EVENTS),
    tick_topics=(CUSTOMER_EVENTS,),
    read=read,
    archive=ARCHIVE,
)


def main() -> None:
    """Run until SIGTERM."""
    settings = load(LifecycleSettings, worker_of(LIFECYCLE))
    file = PolicyFile(load_policy(settings.policy_file))
    run_worker(SUBSCRIPTION, settings, lambda reader: LifecycleHandler(reader, settings, file))


if __name__ == "__main__":
    main()
