"""The house rules hold, and each of them is seen to fail on a tree that breaks it
(docs/decisions/0027).
"""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.support.checkout import ROOT

SOURCES: Final = ("services", "shared")
MOST_MODULES: Final = 14
LISTS: Final = {"shared/cli/commands", "services/lifecycle/figures/definitions"}
"""Folders that are lists: one module an entry."""
NOT_WRITTEN_BY_HAND: Final = {"generated", "versions"}
MOST_CLASS_LINES: Final = 250
MOST_METHODS: Final = 15
MOST_FUNCTION_LINES: Final = 30
DEEPEST_SCHEMAS: Final = 3
Function = ast.FunctionDef | ast.AsyncFunctionDef
Rule = Callable[[Path], list[str]]


def modules(root: Path, *tops: str) -> Iterator[Path]:
    """The modules that people write below some folders, in order."""
    for top in tops or SOURCES:
        for path in sorted((root / top).rglob("*.py")):
            if path.name != "__init__.py" and not NOT_WRITTEN_BY_HAND & set(path.parts):
                yield path


def name_of(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def definitions(root: Path, *kinds: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    """Every class or function of the sources, with the place where it stands."""
    for path in modules(root):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, kinds):
                yield f"{name_of(path, root)}:{node.name}", node  # type: ignore[attr-defined]


def length(node: ast.AST) -> int:
    assert isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    return (node.end_lineno or 0) - node.lineno + 1


def crowded_folders(root: Path) -> list[str]:
    counts = Counter(name_of(path.parent, root) for path in modules(root))
    return [folder for folder, n in counts.items() if n > MOST_MODULES and folder not in LISTS]


def modules_that_are_no_nouns(root: Path) -> list[str]:
    return [name_of(path, root) for path in modules(root) if path.stem.endswith("ing")]


def class_names_that_stand_twice(root: Path) -> list[str]:
    """Public names of one service, or of shared, that stand for two things or more."""
    places = defaultdict[tuple[str, str], list[str]](list)
    for path in modules(root):
        parts = path.relative_to(root).parts
        service = "/".join(parts[:2]) if parts[0] == "services" else parts[0]
        for node in tree_of(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[service, node.name].append(name_of(path, root))
    return [f"{name}: {', '.join(found)}" for (_, name), found in places.items() if len(found) > 1]


def large_classes(root: Path) -> list[str]:
    found = []
    for place, node in definitions(root, ast.ClassDef):
        assert isinstance(node, ast.ClassDef)
        methods = sum(isinstance(child, Function) for child in node.body)
        if length(node) > MOST_CLASS_LINES or methods > MOST_METHODS:
            found.append(place)
    return found


def long_functions(root: Path) -> list[str]:
    functions = definitions(root, ast.FunctionDef, ast.AsyncFunctionDef)
    return [place for place, node in functions if length(node) > MOST_FUNCTION_LINES]


def assignments_to_several_targets(root: Path) -> list[str]:
    """`a = b = x` and `a, b = x, y`. What one call returns may be unpacked."""
    found = []
    for path in modules(root):
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.Assign):
                continue
            side_by_side = isinstance(node.targets[0], ast.Tuple) and isinstance(
                node.value, ast.Tuple
            )
            if side_by_side or len(node.targets) > 1:
                found.append(f"{name_of(path, root)}:{node.lineno}")
    return found


def imported_by(path: Path) -> set[str]:
    """Modules, and names in modules, that a module imports."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def routers_that_import_each_other(root: Path) -> list[str]:
    routers = [path for path in modules(root, "services") if path.name == "routes.py"]
    return [
        name_of(path, root)
        for path in routers
        if any(re.fullmatch(r"services\..*\.routes", name) for name in imported_by(path))
    ]


def deep_schemas(root: Path) -> list[str]:
    """Schemas behind which there are more than so many others, each imported by the one before."""
    schemas = {
        ".".join(path.relative_to(root).with_suffix("").parts): path
        for path in modules(root, "services")
        if path.name in ("schemas.py", "fields.py", "transitions.py")
    }
    arrows = {name: imported_by(path) & schemas.keys() for name, path in schemas.items()}
    return [name for name in schemas if depth(name, arrows) > DEEPEST_SCHEMAS]


def depth(name: str, arrows: Mapping[str, set[str]]) -> int:
    return 1 + max((depth(other, arrows) for other in arrows[name] - {name}), default=0)


def integration_tests_that_use_the_bench(root: Path) -> list[str]:
    return [
        name_of(path, root)
        for path in modules(root, "tests/integration")
        if any(name.startswith("tests.bench") for name in imported_by(path))
    ]


def unmirrored_tests(root: Path) -> list[str]:
    """Tests in a folder that no source folder stands behind."""
    found = []
    for kind in ("unit", "integration"):
        for path in modules(root, f"tests/{kind}"):
            folder = path.relative_to(root / "tests" / kind).parent
            above = "." if folder.parts[:1] in ((), ("shared",)) else "services"
            if not (root / above / folder).is_dir():
                found.append(name_of(path, root))
    return found


def helpers_named_like_sources(root: Path) -> list[str]:
    """A helper of tests that shares its name with a source module is opened by mistake."""
    stems = {path.stem for path in modules(root)}
    return [name_of(path, root) for path in modules(root, "tests/support") if path.stem in stems]


BROKEN: Final[Mapping[Rule, tuple[Mapping[str, str], list[str]]]] = {
    crowded_folders: (
        {f"shared/many/m{n}.py": "" for n in range(MOST_MODULES + 1)},
        ["shared/many"],
    ),
    modules_that_are_no_nouns: ({"shared/judging.py": ""}, ["shared/judging.py"]),
    class_names_that_stand_twice: (
        {
            "services/a/one.py": "class Standing: ...\nclass _Private: ...",
            "services/a/two.py": "class Standing: ...\nclass _Private: ...",
            "services/b/one.py": "class Standing: ...",
        },
        ["Standing: services/a/one.py, services/a/two.py"],
    ),
    large_classes: (
        {
            "shared/long.py": "class Long:\n" + "    x = 1\n" * MOST_CLASS_LINES,
            "shared/wide.py": "class Wide:\n"
            + "".join(f"    def m{n}(self): ...\n" for n in range(MOST_METHODS + 1)),
        },
        ["shared/long.py:Long", "shared/wide.py:Wide"],
    ),
    long_functions: (
        {"shared/long.py": "async def long():\n" + "    x = 1\n" * MOST_FUNCTION_LINES},
        ["shared/long.py:long"],
    ),
    assignments_to_several_targets: (
        {"shared/packed.py": "a = b = 1\nc, d = 1, 2\ne, f = divmod(7, 3)\n"},
        ["shared/packed.py:1", "shared/packed.py:2"],
    ),
    routers_that_import_each_other: (
        {
            "services/a/one/routes.py": "from services.a.two.routes import router",
            "services/a/two/routes.py": "from services.a.api import context",
        },
        ["services/a/one/routes.py"],
    ),
    deep_schemas: (
        {
            "services/a/one/schemas.py": "from services.a.two.schemas import X",
            "services/a/two/schemas.py": "from services.a.three.schemas import X",
            "services/a/three/schemas.py": "from services.a.api.fields import X",
            "services/a/api/fields.py": "X = int",
        },
        ["services.a.one.schemas"],
    ),
    integration_tests_that_use_the_bench: (
        {"tests/integration/test_x.py": "from tests.bench.reads import LIVES"},
        ["tests/integration/test_x.py"],
    ),
    unmirrored_tests: (
        {
            "services/a/batch/x.py": "",
            "shared/kafka/x.py": "",
            "tests/unit/a/batch/test_x.py": "",
            "tests/unit/shared/kafka/test_x.py": "",
            "tests/unit/test_x.py": "",
            "tests/integration/a/elsewhere/test_x.py": "",
        },
        ["tests/integration/a/elsewhere/test_x.py"],
    ),
    helpers_named_like_sources: (
        {"shared/figures.py": "", "tests/support/figures.py": "", "tests/support/lives.py": ""},
        ["tests/support/figures.py"],
    ),
}
"""For each rule a small tree that breaks it, and what the rule finds there."""
RULES: Final = [pytest.param(rule, id=rule.__name__) for rule in BROKEN]


@pytest.mark.parametrize("rule", RULES)
def test_the_sources_keep_the_rule(rule: Rule) -> None:
    assert rule(ROOT) == []


@pytest.mark.parametrize("rule", RULES)
def test_the_rule_finds_what_breaks_it(rule: Rule, tmp_path: Path) -> None:
    files, expected = BROKEN[rule]
    for name, text in files.items():
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    assert rule(tmp_path) == expected


def test_no_line_is_longer_than_a_reader_wants() -> None:
    """Ruff holds the width; that nothing takes it back is held here."""
    settings = (ROOT / "pyproject.toml").read_text()
    assert "line-length = 100\n" in settings
    assert not re.search(r'ignore = \[[^\]]*"E501"', settings)
