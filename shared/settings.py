"""Settings that every process reads from the environment (`STAMMKUNDE_…`); frozen once read.

What is wrong with them is said without any value, and secrets are SecretStr: they are not shown.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from shared.clock import ClockMode
from shared.errors import Misconfigured
from shared.processes import default_port

MIN_SECRET: Final = 16
"""The least characters of a secret."""
_PREFIX: Final = "STAMMKUNDE_"


def _words(value: object) -> object:
    """Split a text at its commas."""
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    return value


Words = Annotated[frozenset[str], NoDecode, BeforeValidator(_words)]
"""A setting of several words, with commas between them."""

ApiKey = Annotated[
    SecretStr,
    Field(
        min_length=MIN_SECRET,
        description="The bearer key of all services: `openssl rand -base64 24` makes one.",
    ),
]
DatabaseUrl = Annotated[
    SecretStr, Field(description="PostgreSQL, postgresql://user:password@host:port/database.")
]
CodeSecret = Annotated[
    SecretStr,
    Field(
        min_length=MIN_SECRET,
        description="Key of the offer and referral codes that are made from now on: whoever knows "
        "it can guess them. Codes made with another one stay good.",
    ),
]
"""The secret behind codes: not the API key, which every shop backend knows."""


class EnvironmentSettings(BaseSettings):
    """Settings that are read from the environment.

    Raises Misconfigured, which names every wrong setting and quotes none.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise Misconfigured("\n".join(self._wrong(error))) from None
        except SettingsError as error:  # a list or an object that is not JSON
            raise Misconfigured(str(error)) from None

    @classmethod
    def _wrong(cls, error: ValidationError) -> Iterator[str]:
        for detail in error.errors(include_url=False, include_context=True, include_input=False):
            name = str(detail["loc"][0])
            field = cls.model_fields.get(name)
            path = ".".join((name.upper(), *map(str, detail["loc"][1:])))
            about = field.description if field and field.description else ""
            yield f"{_PREFIX}{path} {_reason(detail)}. {about}".strip()


def _reason(detail: Any) -> str:
    if detail["type"] == "missing":
        return "is not set"
    if detail["type"] == "too_short":
        return f"is too short: it has at least {detail['ctx']['min_length']} characters"
    return f"is wrong: {detail['msg']}"


class Settings(EnvironmentSettings):
    """The settings of all services; a service adds its own."""

    kafka_bootstrap: str = Field(description="Kafka's bootstrap servers, host:port[,host:port].")
    database_url: DatabaseUrl
    api_key: ApiKey
    clock: ClockMode = Field(
        default=ClockMode.WALL, description="What moves deadlines: wall (real time) or log (ticks)."
    )
    partitions: int = Field(
        default=12, ge=1, le=1000, description="Partitions of every topic; fixed once made."
    )
    replication: int = Field(default=1, ge=1, description="Replicas of every topic.")
    host: str = Field(default="127.0.0.1", description="Address that HTTP listens on.")
    port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Port that HTTP listens on. Default: the process's own (shared/processes.py).",
    )
    in_flight_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=5 * 1024 * 1024,
        description="Bytes of bodies that have arrived and are not answered; beyond it, 503.",
    )
    leave_s: float = Field(
        default=1.0,
        ge=0,
        description="Seconds after SIGTERM in which /readyz is 503 and requests are still taken.",
    )
    worker: str = Field(
        default="1", description="This worker's name in its group, unique and stable."
    )
    session_timeout_s: float = Field(
        default=10.0, gt=0, description="Silence after which others take over."
    )
    batch_records: int = Field(
        default=16_000, ge=1, description="Most records applied in one transaction."
    )
    shutdown_s: float = Field(default=10.0, gt=0, description="Seconds to drain after SIGTERM.")
    log_format: str = Field(
        default="console", pattern="^(console|json)$", description="console or json"
    )
    log_level: str = Field(
        default="info",
        pattern="^(debug|info|warning|error)$",
        description="Lowest level that is logged.",
    )
    policy_file: Path | None = Field(
        default=None, description="Policy as TOML; the built-in one by default."
    )


S = TypeVar("S", bound=Settings)


def load(kind: type[S], process: str) -> S:
    """Read the settings of a process; its port is its own unless it is given.

    Raises SystemExit, which says what is wrong.
    """
    try:
        settings = kind()
    except Misconfigured as error:
        raise SystemExit(str(error)) from None
    if "port" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"port": default_port(process)})
