"""Commands run in this process, on a stack that is only a folder and an API that is a fake."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from shared.cli import stack
from shared.cli.console import console
from shared.cli.main import app
from shared.cli.replay import sender
from shared.client.ingest import AsyncIngestClient
from shared.client.lifecycle import AsyncLifecycleClient
from shared.clock import ClockMode
from shared.local.home import Home, StackState

KEY = "key-of-the-tests"


@dataclass
class FakeApi:
    """Answers requests by method and path, and keeps them.

    A list of answers is used in turn; a function makes the answer of the request.
    """

    answers: dict[str, Any] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        self.requests.append(request)
        answer = self.answers[f"{request.method} {request.url.path}"]
        if isinstance(answer, list):
            answer = answer.pop(0)
        if callable(answer):
            answer = answer(request)
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    def queries(self) -> list[dict[str, str]]:
        return [dict(request.url.params) for request in self.requests]

    def bodies(self) -> list[Any]:
        return [json.loads(request.content) for request in self.requests if request.content]


def problem(status: int, code: str, detail: str) -> httpx.Response:
    headers = {"Content-Type": "application/problem+json"}
    content = json.dumps({"code": code, "detail": detail})
    return httpx.Response(status, headers=headers, content=content)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """What lifecycle and ingest of the running stack answer."""
    fake = FakeApi()
    transport = httpx.MockTransport(fake)
    lifecycle = partial(AsyncLifecycleClient, transport=transport)
    monkeypatch.setattr(stack, "AsyncLifecycleClient", lifecycle)

    def ingest(url: str, key: str, **options: Any) -> AsyncIngestClient:
        return AsyncIngestClient(url, key, **{**options, "transport": transport})

    monkeypatch.setattr(sender, "AsyncIngestClient", ingest)
    return fake


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The home of a stack in log time that this process holds, with two APIs and one worker."""
    for name in list(os.environ):
        if name.startswith("STAMMKUNDE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("STAMMKUNDE_API_KEY", KEY)
    monkeypatch.setenv("COLUMNS", "200")  # of consoles that are made later
    monkeypatch.setattr(console, "width", 200)
    folder = Home(tmp_path / "home")
    assert folder.acquire()
    names = ("ingest", "lifecycle", "lifecycle-worker")
    state = StackState(
        clock=ClockMode.LOG,
        port_base=8001,
        kafka_bootstrap="127.0.0.1:1",
        database_url="postgresql://shop:hunter2@127.0.0.1:1/none?sslpassword=x",
        urls={name: f"http://127.0.0.1:800{n}" for n, name in enumerate(names, start=1)},
        pids={"lifecycle": os.getpid(), "ingest": 2**22 + 1},
    )
    folder.save(state)
    yield folder.path
    folder.release()


class Command:
    """Runs commands on the home."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def __call__(self, *words: object) -> Result:
        arguments = [*map(str, words), "--home", str(self._home)]
        return CliRunner().invoke(app, arguments)

    def lines(self, *words: object) -> list[list[str]]:
        """The words of each line that a command prints, without the borders of tables."""
        result = self(*words)
        assert result.exit_code == 0, result.output
        return words_of(result.stdout)


def words_of(text: str) -> list[list[str]]:
    plain = text.translate(str.maketrans("│┃┏┓┗┛┡┩├┤", " " * 10))
    return [words for line in plain.splitlines() if (words := line.split())]


@pytest.fixture
def command(home: Path) -> Command:
    return Command(home)
