"""The secrets of a stack: made once, kept in its folder, readable by their owner only."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shared.clock import ClockMode
from shared.errors import Misconfigured
from shared.local.home import Home, StackState

SECRETS = pytest.mark.parametrize(
    "secret_of", [Home.api_key, Home.code_secret], ids=["API key", "codes"]
)
SecretOf = Callable[[Home, str | None], str]


@SECRETS
def test_a_secret_is_made_once_and_readable_by_its_owner_only(
    tmp_path: Path, secret_of: SecretOf
) -> None:
    made = secret_of(Home(tmp_path / "home"), None)
    assert len(made) >= 24
    assert secret_of(Home(tmp_path / "home"), None) == made
    [file] = (tmp_path / "home").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert secret_of(Home(tmp_path / "other"), None) != made


@SECRETS
def test_a_given_secret_is_used_and_not_kept(tmp_path: Path, secret_of: SecretOf) -> None:
    assert secret_of(Home(tmp_path), "given") == "given"
    assert list(tmp_path.iterdir()) == []


def test_codes_have_a_secret_of_their_own(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.code_secret(None) != home.api_key(None)


@pytest.mark.parametrize("content", ["", "short\n"])
def test_a_file_without_a_secret_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "api-key").write_text(content)
    with pytest.raises(Misconfigured, match="api-key holds no secret of 16 characters: delete it"):
        Home(tmp_path).api_key(None)


def test_the_state_of_a_stack_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    """It has the database URL, and so perhaps a password."""
    state = StackState(
        clock=ClockMode.LOG, port_base=1, kafka_bootstrap="-", database_url="-", urls={}
    )
    (tmp_path / "stack.json.new").touch(0o644)
    for _ in range(2):
        Home(tmp_path).save(state)
        assert (tmp_path / "stack.json").stat().st_mode & 0o777 == 0o600
