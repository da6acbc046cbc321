"""Settings that every process reads from the environment (`STAMMKUNDE_…`); frozen once read."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.clock import ClockMode


class Settings(BaseSettings):
    """The settings of all services; a service adds its own."""

    model_config = SettingsConfigDict(env_prefix="STAMMKUNDE_", frozen=True, extra="ignore")

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
