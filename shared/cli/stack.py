"""The stack that a command talks to: its addresses, its API key, and clients of its services."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.client.errors import Unavailable
from shared.client.http import PATIENCE_S, TIMEOUT_S
from shared.client.lifecycle import AsyncLifecycleClient
from shared.client.reactivation import AsyncReactivationClient
from shared.client.referral import AsyncReferralClient
from shared.clock import ClockMode
from shared.errors import Misconfigured
from shared.local.home import Home, StackState
from shared.local.settings import LocalSettings
from shared.processes import INGEST, LIFECYCLE, REACTIVATION, REFERRAL

FIT_TIMEOUT_S: Final = 1800.0
"""A fit of the cadence model, or a comparison with it, reads every order there is."""
SHORT_PATIENCE_S: Final = 5.0
"""How long a command that only reads waits for a service that does not answer."""


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A stack that runs: its state, its API key, and what a shell makes the key from."""

    state: StackState
    key: str
    key_in_shell: str

    @property
    def ingest_url(self) -> str:
        return self.state.url(INGEST)

    @property
    def lifecycle_url(self) -> str:
        return self.state.url(LIFECYCLE)

    @property
    def has_reactivation(self) -> bool:
        return REACTIVATION in self.state.urls

    @property
    def has_referral(self) -> bool:
        return REFERRAL in self.state.urls

    def require_log_time(self, message: str) -> None:
        """Raise Misconfigured with this message unless the clock of the stack follows the log."""
        if self.state.clock is not ClockMode.LOG:
            raise Misconfigured(message)

    def lifecycle(
        self,
        *,
        timeout_s: float = TIMEOUT_S,
        patience_s: float = PATIENCE_S,
        on_retry: Callable[[Unavailable], None] | None = None,
    ) -> AsyncLifecycleClient:
        return AsyncLifecycleClient(
            self.lifecycle_url,
            self.key,
            timeout_s=timeout_s,
            patience_s=patience_s,
            on_retry=on_retry,
        )

    def reactivation(self) -> AsyncReactivationClient:
        return AsyncReactivationClient(self.state.url(REACTIVATION), self.key)

    def referral(self) -> AsyncReferralClient:
        return AsyncReferralClient(self.state.url(REFERRAL), self.key)


@dataclass(frozen=True, slots=True)
class ServerAddresses:
    """Where Kafka and PostgreSQL are."""

    kafka_bootstrap: str
    database_url: str


def running_stack(home: Path) -> RunningStack:
    """The stack that runs in this home. Raises Misconfigured if none does."""
    folder = Home(home)
    return stack_of(folder, folder.running())


def stack_of(home: Home, state: StackState) -> RunningStack:
    """The stack with this state; its key is that of the environment, or else of its home."""
    given = LocalSettings().key
    in_shell = "$STAMMKUNDE_API_KEY" if given else f"$(cat {shlex.quote(str(home.key_file))})"
    return RunningStack(state, home.api_key(given), in_shell)


def server_addresses(home: Home) -> ServerAddresses:
    """Kafka and PostgreSQL of the environment, or else of the stack that runs in this home."""
    settings = LocalSettings()
    if settings.kafka_bootstrap and settings.database:
        return ServerAddresses(settings.kafka_bootstrap, settings.database)
    state = home.load()
    if state is None or not home.is_running():
        raise Misconfigured(
            f"no stack is running in {home.path}; start one, "
            "or set STAMMKUNDE_KAFKA_BOOTSTRAP and STAMMKUNDE_DATABASE_URL"
        )
    return ServerAddresses(
        settings.kafka_bootstrap or state.kafka_bootstrap,
        settings.database or state.database_url,
    )
