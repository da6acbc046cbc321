"""`stammkunde changes`: one line of JSON per change, and where to continue."""

import json

from tests.unit.shared.cli.conftest import Command, FakeApi, problem


def test_all_pages_are_printed_line_by_line_and_the_cursor_last(
    command: Command, api: FakeApi
) -> None:
    first = {"items": [{"id": "1"}, {"id": "2"}], "next": "c2", "more": True}
    second = {"items": [{"id": "ü"}], "next": "c3", "more": False}
    api.answers["GET /v1/changes"] = [first, second]
    result = command("changes", "--after", "c0")
    assert result.exit_code == 0
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["1", "2", "ü"]
    assert "ü" in result.stdout
    assert result.stderr == "continue with: --after c3\n"
    assert [query["after"] for query in api.queries()] == ["c0", "c2"]


def test_a_cursor_that_the_service_refuses_is_an_error(command: Command, api: FakeApi) -> None:
    api.answers["GET /v1/changes"] = problem(422, "invalid_cursor", "It cannot be read.")
    result = command("changes", "--after", "nonsense")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "invalid_cursor: It cannot be read." in result.stderr


def test_without_a_page_there_is_no_cursor_to_continue_from(command: Command, api: FakeApi) -> None:
    api.answers["GET /v1/changes"] = problem(401, "unauthorized", "Wrong key.")
    result = command("changes")
    assert result.exit_code == 1
    assert "continue with" not in result.stderr
