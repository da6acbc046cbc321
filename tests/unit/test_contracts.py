"""The architecture holds, and each of its contracts is seen to fail when it is broken."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.checkout import ROOT

BIN: Final = Path(sys.executable).parent
SQL: Final = re.compile(
    r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH|TRUNCATE|LOCK TABLE|COPY)\s", re.ASCII
)
DATABASE_CLOCK: Final = re.compile(
    r"\b(now|clock_timestamp|statement_timestamp)\(\)|\bcurrent_timestamp\b", re.IGNORECASE
)
REPOSITORIES: Final = {
    "repository.py",
    "clocks.py",
    "daily_counts.py",
    "schedule.py",
    "timeline.py",
    "search.py",
}
FIGURES: Final = {"definitions", "sources"}
"""Rooms whose modules each have the statements of their figure."""
PURE: Final = {
    "shared.bounds",
    "shared.error_texts",
    "shared.errors",
    "shared.events",
    "shared.events.payload",
    "shared.events.ranks",
    "shared.events.scores",
    "shared.identities",
    "shared.ids",
    "shared.orders",
}
"""What a domain may use of shared; of the events only what is not about pydantic."""

VIOLATIONS: Final = {
    "services are independent of each other": (
        "services/referral/events.py",
        "import services.lifecycle.tables",
    ),
    "shared knows no service": ("shared/clock.py", "import services.ingest.domain.acceptance"),
    "a domain is pure: no I/O, clock, randomness or framework": (
        "services/lifecycle/domain/rules/table.py",
        "import random",
    ),
    "only shared has a Kafka client": ("services/ingest/events/service.py", "import aiokafka"),
    "only repositories and tables know the database driver": (
        "services/referral/claims/routes.py",
        "import asyncpg",
    ),
    "only the edge knows the web framework": (
        "services/reactivation/batch/handler.py",
        "import fastapi",
    ),
    "the edge of ingest knows the core, never the other way": (
        "services/ingest/settings.py",
        "import services.ingest.events.service",
    ),
    "the rooms of lifecycle know each other downwards only": (
        "services/lifecycle/api/fields.py",
        "import services.lifecycle.customers.repository",
    ),
    "the nouns of lifecycle are independent of each other, but for named arrows": (
        "services/lifecycle/lists/filters.py",
        "import services.lifecycle.policies.document",
    ),
    "routers share parameters, never each other": (
        "services/lifecycle/explain/routes.py",
        "import services.lifecycle.customers.routes",
    ),
    "in every noun of lifecycle, routes know the rest": (
        "services/lifecycle/customers/repository.py",
        "import services.lifecycle.customers.service",
    ),
    "the edge of lifecycle knows the core, never the other way": (
        "services/lifecycle/batch/repository.py",
        "import services.lifecycle.batch.handler",
    ),
    "the edge of reactivation knows the core, never the other way": (
        "services/reactivation/cases/service.py",
        "import services.reactivation.customers.repository",
    ),
    "the edge of referral knows the core, never the other way": (
        "services/referral/ledger/service.py",
        "import services.referral.codes.service",
    ),
    "in every noun of the other services, routes know the service, and it the rows": (
        "services/referral/ledger/repository.py",
        "import services.referral.ledger.schemas",
    ),
    "the command line knows the library, never the other way": (
        "shared/stream/worker.py",
        "import shared.local.stack",
    ),
}
"""For each contract a module and the line that breaks it."""


def copy_of_sources(target: Path) -> Path:
    for package in ("services", "shared"):
        shutil.copytree(
            ROOT / package, target / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", target)
    return target


def run(*command: str, within: Path) -> str:
    environment = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run(
        command, cwd=within, env=environment, capture_output=True, text=True, check=False
    )
    return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)


def test_every_contract_fails_when_it_is_broken_and_names_who_broke_it(tmp_path: Path) -> None:
    root = copy_of_sources(tmp_path)
    for module, line in VIOLATIONS.values():
        with (root / module).open("a") as source:
            source.write(f"\n{line}\n")
    report = run(str(BIN / "lint-imports"), "--no-cache", within=root)
    sections = report.split("Broken contracts")[1]
    for contract, (module, line) in VIOLATIONS.items():
        assert f"{contract} BROKEN" in report
        _, _, section = sections.partition(f"\n{contract}\n-")
        section, _, _ = section.partition("\n---")
        assert module.removesuffix(".py").replace("/", ".") in section
        assert line.removeprefix("import ") in section


def test_a_new_room_of_lifecycle_must_be_given_its_place(tmp_path: Path) -> None:
    root = copy_of_sources(tmp_path)
    (root / "services/lifecycle/attic.py").touch()
    report = run(str(BIN / "lint-imports"), "--no-cache", within=root)
    assert "the rooms of lifecycle know each other downwards only BROKEN" in report
    assert "not listed as layers:\n\n- services.lifecycle.attic" in report


def test_every_contract_has_a_violation_here() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    assert {contract["name"] for contract in contracts} == set(VIOLATIONS)


def test_a_new_module_of_shared_is_either_pure_or_out_of_the_domains_reach() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    (pure,) = [
        contract for contract in contracts if contract["name"].startswith("a domain is pure")
    ]
    modules = {
        f"shared.{path.stem}"
        for path in (ROOT / "shared").glob("[a-z]*")
        if path.suffix in ("", ".py")
    }
    events = {f"shared.events.{path.stem}" for path in (ROOT / "shared/events").glob("[a-z]*.py")}
    reachable = (modules | events) - set(pure["forbidden_modules"])
    assert reachable == PURE | {"shared.events.envelope", "shared.events.transitions"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            "from datetime import datetime as d\nx = d.now()",
            "the wall clock is read in shared.clock only",
        ),
        (
            "import datetime\nx = datetime.date.today()",
            "the wall clock is read in shared.clock only",
        ),
        ("import time\nx = time.time()", "the wall clock is read in shared.clock only"),
        ("from time import monotonic", "the wall clock is read in shared.clock only"),
        ("import os\nx = os.environ['X']", "the environment is read through settings only"),
        ("from os import getenv", "the environment is read through settings only"),
    ],
)
def test_clock_and_environment_are_banned_outside_their_one_place(
    tmp_path: Path, line: str, reason: str
) -> None:
    for place in ("services/ingest", "shared/local"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "wrong.py").write_text(line)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    report = run(
        str(BIN / "ruff"), "check", "--no-cache", "--output-format=concise", within=tmp_path
    )
    for place in ("services/ingest", "shared/local"):
        assert re.search(rf"{place}/wrong\.py:.* TID251 .*{reason}", report), report


def texts(path: Path) -> Iterator[str]:
    """The strings of a module that are not docstrings; of an f-string its first part."""
    tree = ast.parse(path.read_text())
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


def misplaced_sql(root: Path) -> list[str]:
    """SQL outside repositories, and SQL that reads the database server's clock."""
    found = []
    for path in sorted((root / "services").rglob("*.py")):
        for text in texts(path):
            inside = path.name in REPOSITORIES or "migrations" in path.parts
            inside = inside or path.parent.name in FIGURES
            if (SQL.match(text) and not inside) or DATABASE_CLOCK.search(text):
                found.append(str(path.relative_to(root)))
    return found


def test_sql_is_in_repositories_only_and_never_asks_the_server_for_the_time() -> None:
    assert misplaced_sql(ROOT) == []


def test_misplaced_sql_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "services" / "ingest"
    folder.mkdir(parents=True)
    (folder / "apply.py").write_text(
        '"""SELECT is only prose here."""\nQ = f"""\nSELECT 1 FROM {x}"""'
    )
    (folder / "repository.py").write_text(
        'Q = "UPDATE owner SET clock = now()"\nR = "DELETE FROM owner"'
    )
    assert misplaced_sql(tmp_path) == ["services/ingest/apply.py", "services/ingest/repository.py"]


SPEAK_TO_CALLERS: Final = (
    "shared/cli",
    "shared/local",
    "shared/client",
    "shared/settings.py",
    "shared/simulator",
    "services/lifecycle/cadence/fitter.py",
    "services/lifecycle/changes/cursor.py",
    "services/lifecycle/lists/schemas.py",
    "services/lifecycle/policies/document.py",
)
"""What tells a person, or the caller, what is wrong with what they gave; a fit knows no ids."""


def quoted_errors(root: Path) -> list[str]:
    """Lines that turn an error of whatever type into text without shared.error_texts."""
    found = []
    for path in sorted([*(root / "services").rglob("*.py"), *(root / "shared").rglob("*.py")]):
        name = str(path.relative_to(root))
        if name.startswith(SPEAK_TO_CALLERS) or name == "shared/error_texts.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler) and node.name and not _catches_ours(node):
                found += [f"{name}:{line}" for line in _quoting_lines(node, node.name)]
    return found


def _catches_ours(handler: ast.ExceptHandler) -> bool:
    """Does it catch only errors whose texts this project writes itself?"""
    assert handler.type is not None
    names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
    return names <= {"StammkundeError", "Retryable", "Fenced", "Problem", "Poison", "FitError"}


def _quoting_lines(handler: ast.ExceptHandler, error: str) -> Iterator[int]:
    for node in ast.walk(handler):
        match node:
            case ast.FormattedValue(value=ast.Name(id=name)) if name == error:
                yield node.lineno
            case ast.Call(func=ast.Name(id="str" | "repr"), args=[ast.Name(id=name)]) if (
                name == error
            ):
                yield node.lineno


def test_no_error_of_others_becomes_text_but_by_error_texts() -> None:
    assert quoted_errors(ROOT) == []


def test_a_quoted_error_is_found(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "events.py").write_text(
        "try:\n    x()\nexcept (ValueError, Retryable) as e:\n    log(str(e), f'{e}', f'{e!r}')\n"
        "except Retryable as e:\n    log(str(e))\n"
    )
    assert quoted_errors(tmp_path) == ["services/events.py:4"] * 3


@pytest.mark.parametrize("path", sorted((ROOT / "services").glob("*/events.py")))
def test_services_decode_what_comes_from_kafka_within_bounds(path: Path) -> None:
    """By payload_decoder: a decoder of msgspec's own knows nothing of ids and instants."""
    assert "json.Decoder" not in path.read_text()
