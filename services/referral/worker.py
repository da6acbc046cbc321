"""The worker process of referral: `python -m services.referral.worker`."""

from typing import Final

from services.referral.batch.handler import ReferralHandler
from services.referral.events import read
from services.referral.settings import ReferralSettings
from shared.kafka.topics import CUSTOMER_EVENTS, PHASE_TRANSITIONS, REFERRAL_EVENTS
from shared.processes import REFERRAL, worker_of
from shared.settings import load
from shared.stream.handler import Subscription
from shared.stream.worker import run_worker

SUBSCRIPTION: Final = Subscription(
    service=REFERRAL,
    topics=(CUSTOMER_EVENTS, PHASE_TRANSITIONS, REFERRAL_EVENTS),
    tick_topics=(CUSTOMER_EVENTS, PHASE_TRANSITIONS),
    read=read,
)


def main() -> None:
    """Run until SIGTERM."""
    settings = load(ReferralSettings, worker_of(REFERRAL))
    run_worker(SUBSCRIPTION, settings, lambda reader: ReferralHandler(reader, settings))


if __name__ == "__main__":
    main()
