"""`stammkunde export`: files that are kept only if they are complete."""

from pathlib import Path

import httpx
import pytest

from shared.cli.commands.export import open_output
from shared.errors import Misconfigured
from tests.unit.shared.cli.conftest import Command, FakeApi, problem

CSV = "customer,phase\nc1,new\nc2,new\n"
LIST = "GET /v1/customers"


def download(media_type: str, content: str) -> httpx.Response:
    return httpx.Response(200, headers={"Content-Type": media_type}, content=content.encode())


def test_customers_are_written_into_the_file_and_counted_without_the_header(
    command: Command, api: FakeApi, tmp_path: Path
) -> None:
    api.answers[LIST] = download("text/csv", CSV)
    target = tmp_path / "customers.csv"
    words = ["--phase", "new", "--min-value", "1999", "--account", "b2b"]
    result = command("export", *words, "--output", target)
    assert result.exit_code == 0, result.output
    assert target.read_text() == CSV
    assert (result.stdout, f"2 customers in {target}" in result.stderr) == ("", True)
    assert api.queries() == [{"phase": "new", "min_value": "1999", "account": "b2b"}]
    assert api.requests[0].headers["accept"] == "text/csv"


def test_without_a_file_customers_go_to_standard_output(command: Command, api: FakeApi) -> None:
    api.answers[LIST] = download("application/x-ndjson", '{"customer":"c1"}\n')
    result = command("export", "--format", "ndjson")
    assert (result.exit_code, result.stdout) == (0, '{"customer":"c1"}\n')
    assert result.stderr == "1 customers\n"


def test_a_refusal_leaves_the_previous_file(command: Command, api: FakeApi, tmp_path: Path) -> None:
    api.answers[LIST] = problem(422, "invalid", "cause: unknown")
    target = tmp_path / "customers.csv"
    target.write_text("old")
    result = command("export", "--cause", "boredom", "--output", target)
    assert result.exit_code == 1
    assert "cause: unknown" in result.stderr
    assert target.read_text() == "old"
    assert not list(tmp_path.glob("*.part"))


def test_a_file_that_was_not_finished_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "customers.csv"
    with open_output(target) as out:
        out.write(b"old")
        assert not target.exists()
    with pytest.raises(ZeroDivisionError), open_output(target) as out:
        out.write(b"new" * (1 // 0))
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(Misconfigured), open_output(tmp_path / "nowhere" / "x.csv"):
        pass
