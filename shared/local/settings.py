"""Settings of a local stack: servers and secrets that the environment may provide."""

from pydantic import Field

from shared.settings import ApiKey, CodeSecret, DatabaseUrl, EnvironmentSettings


class LocalSettings(EnvironmentSettings):
    """Where a server's address is given, it is used and none is started."""

    kafka_bootstrap: str | None = Field(
        default=None, description="An existing Kafka, host:port[,host:port]."
    )
    database_url: DatabaseUrl | None = Field(
        default=None, description="An existing PostgreSQL, postgresql://…"
    )
    api_key: ApiKey | None = Field(
        default=None, description="The bearer key. Default: one is made and kept."
    )
    code_secret: CodeSecret | None = Field(
        default=None, description="The key of new codes. Default: one is made and kept."
    )
    partitions: int = Field(default=12, ge=1, le=1000, description="Partitions of every topic.")
    replication: int = Field(default=1, ge=1, description="Replicas of every topic.")

    @property
    def database(self) -> str | None:
        return self.database_url.get_secret_value() if self.database_url else None

    @property
    def key(self) -> str | None:
        return self.api_key.get_secret_value() if self.api_key else None

    @property
    def secret(self) -> str | None:
        return self.code_secret.get_secret_value() if self.code_secret else None
