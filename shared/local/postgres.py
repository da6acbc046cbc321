"""An embedded PostgreSQL, from the binaries of a Python package."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Final

import asyncpg

from shared.local.embedded_server import EmbeddedServer
from shared.local.home import kept_secret
from shared.local.postgres_files import (
    SystemAccount,
    data_folder,
    initialise,
    server_binaries,
    system_account,
)

DATABASE: Final = "stammkunde"
START_S: Final = 60.0

_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    # TCP only: the path of a unix socket is limited to about 100 bytes, a home folder is not.
    "unix_socket_directories": "",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "max_connections": "200",
    "fsync": "on",
    "synchronous_commit": "on",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The details of an error quote the row that it is about.
    "log_error_verbosity": "terse",
}


class EmbeddedPostgres(EmbeddedServer):
    """One server on a free loopback port; `stop` disconnects its clients."""

    title = "PostgreSQL"
    name = "postgres"
    stop_signal = signal.SIGINT
    started_within_s = START_S
    poll_every_s = 0.05

    @property
    def url(self) -> str:
        """The database `stammkunde`, as its superuser; known once started."""
        return self._url(DATABASE)

    def _url(self, database: str) -> str:
        password = kept_secret(self._home / "postgres-password")
        return f"postgresql://postgres:{password}@127.0.0.1:{self._port}/{database}"

    @property
    def _mark(self) -> str:
        return str(self._home)

    async def _launch(self) -> None:
        account = system_account()
        binaries = await asyncio.to_thread(server_binaries, account)
        data = data_folder(self._home, self._folder, account)
        password = kept_secret(self._home / "postgres-password")
        await asyncio.to_thread(initialise, binaries, data, account, password)
        self._port = self._take_port("postgres")
        self._spawn(binaries, data, account)

    def _spawn(self, binaries: Path, data: Path, account: SystemAccount | None) -> None:
        command = [str(binaries / "bin" / "postgres"), "-D", str(data), "-p", str(self._port)]
        for name, value in _SETTINGS.items():
            command += ["-c", f"{name}={value}"]
        # The home in the environment marks the process as ours, even if its data lie elsewhere.
        env = {"PATH": os.defpath, "STAMMKUNDE_HOME": str(self._home)}
        if account is None:
            self._process.spawn(command, env=env)
        else:
            self._process.spawn(command, env=env, user=account.uid, group=account.gid)

    async def _answers(self) -> bool:
        """Whether the server answers; the database is made if it is missing."""
        try:
            connection = await asyncpg.connect(self._url("postgres"), timeout=5)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        try:
            exists = await connection.fetchval(
                "SELECT true FROM pg_database WHERE datname = $1", DATABASE
            )
            if not exists:
                await connection.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            await connection.close()
        return True
