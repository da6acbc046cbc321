"""Settings of lifecycle."""

from pydantic import Field

from shared.settings import Settings


class LifecycleSettings(Settings):
    """What the lifecycle service needs beyond the common settings."""

    timers_per_batch: int = Field(
        default=2000, ge=1, description="Most deadlines applied in one transaction."
    )
    customers_in_memory: int = Field(
        default=100_000, ge=1, description="Customers whose state a worker keeps."
    )
    events_in_memory: int = Field(
        default=1_000_000, ge=1, description="Event identities that a worker keeps."
    )
    changes_days: int = Field(
        default=30, ge=1, le=36_500, description="Days that published changes can be read."
    )
    fit_hour: int = Field(
        default=3, ge=0, le=23, description="In real time, UTC hour of the nightly cadence fit."
    )
