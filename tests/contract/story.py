"""A small shop that every service knows: what the examples of the documents speak of."""

from typing import Any, Final

from pydantic import SecretStr

from services.lifecycle.batch.handler import LifecycleHandler
from services.lifecycle.batch.schedule_watch import PolicyFile
from services.lifecycle.settings import LifecycleSettings
from services.lifecycle.worker import SUBSCRIPTION as LIFECYCLE_TOPICS
from services.reactivation.settings import ReactivationSettings
from services.reactivation.worker import SUBSCRIPTION as REACTIVATION_TOPICS
from services.reactivation.worker import handler
from services.referral.batch.handler import ReferralHandler
from services.referral.settings import ReferralSettings
from services.referral.worker import SUBSCRIPTION as REFERRAL_TOPICS
from shared.clock import ClockMode
from tests.support.builders import event, order, tick
from tests.support.fresh_servers import PARTITIONS
from tests.support.pipeline import publish, running, settled
from tests.support.server_stack import Stack

KEY: Final = "key-of-the-tests"
EVENTS: Final = [
    order("customer-3", -60, amount=4990),
    tick(-60),
    event("customer-1", "customer.signed_up", 0, account="b2c"),
    *(
        order("customer-1", day, id=f"o-100{n}", amount=5990)
        for n, day in enumerate((1, 10, 20), start=1)
    ),
    event("customer-0", "customer.merged", 25, into="customer-1"),
    event("customer-2", "page.viewed", 100),
    *(tick(day) for day in (110, 120, 121)),
]
"""On 1 May 2024, customer-1 (also known as customer-0) is at risk, customer-2 is a prospect, and
customer-3 is inactive with an offer."""


def settings(stack: Stack, database: str) -> dict[str, Any]:
    """Of all services, in log time."""
    return {
        "kafka_bootstrap": stack.bootstrap,
        "database_url": database,
        "api_key": SecretStr(KEY),
        "code_secret": SecretStr("the secret of the examples"),
        "clock": ClockMode.LOG,
        "partitions": PARTITIONS,
        "port": 0,
        "session_timeout_s": 6,
    }


async def tell(stack: Stack, database: str) -> None:
    """Run all workers until they have processed the story."""
    known = settings(stack, database)
    lifecycle = LifecycleSettings.model_validate(known)
    file = PolicyFile(None)
    referral = ReferralSettings.model_validate(known)
    reactivation = ReactivationSettings.model_validate(known)
    await publish(stack.bootstrap, EVENTS)
    async with (
        running(
            LIFECYCLE_TOPICS, lifecycle, lambda reader: LifecycleHandler(reader, lifecycle, file)
        ),
        running(REACTIVATION_TOPICS, reactivation, handler(reactivation)),
        running(REFERRAL_TOPICS, referral, lambda reader: ReferralHandler(reader, referral)),
    ):
        await settled(stack, database, "lifecycle", "reactivation", "referral")
