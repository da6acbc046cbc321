"""Settings that every process reads from the environment (`STAMMKUNDE_…`); frozen once read."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.clock import ClockMode


def _words(value: object) -> object:
    """Split a text at its commas."""
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    return value


Words = Annotated[frozenset[str], NoDecode, BeforeValidator(_words)]
"""A setting of several words, with commas between them."""

CodeSecret = Annotated[
    SecretStr,
    Field(
        min_length=16,
        description="Key of the offer and referral codes that are made from now on: whoever knows "
        "it can guess them. Codes made with another one stay good.",
    ),
]
"""The secret behind codes: not the API key, which every shop backend knows."""


class Settings(BaseSettings):
    """The settings of all services; a service adds its own."""

    model_config = SettingsConfigDict(
        env_prefix="STAMMKUNDE_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    kafka_bootstrap: str = Field(description="Kafka's bootstrap servers, host:port[,host:port].")
    database_url: str = Field(description="postgresql://user:password@host:port/database")
    api_key: SecretStr = Field(description="The bearer key of all services.")
    clock: ClockMode = Field(
        default=ClockMode.WALL, description="What moves deadlines: wall (real time) or log (ticks)."
    )
    partitions: int = Field(
        default=12, ge=1, le=1000, description="Partitions of every topic; fixed once made."
    )
    replication: int = Field(default=1, ge=1, description="Replicas of every topic.")
    host: str = Field(default="127.0.0.1", description="Address that HTTP listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port that HTTP listens on.")
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
