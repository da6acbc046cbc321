"""Generates the clients: `python -m shared.client.codegen.generate docs/openapi`."""

import keyword
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import msgspec

from shared.client.codegen.operations import (
    REF,
    Json,
    Operation,
    Parameter,
    hint,
    literal,
    read_operations,
)

CLIENT: Final = Path(__file__).parents[1]
_PUBLIC: Final = '''\
"""The client of {name}, under the name that programs import it by."""

from shared.client.generated.{name} import *  # noqa: F403
'''
_PAGING: Final = frozenset({"limit", "cursor"})
_HEAD: Final = '''\
"""{title}: what it takes and gives, and its operations.

Made from docs/openapi/{name}.json by `make documents`.
"""
# ruff: noqa: A002, E501, RUF100

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import date, datetime
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

from shared.client.http import AsyncClient, Client, segment
from shared.client.streams import StreamEvent

'''


def source(document: Json, name: str) -> str:
    """The formatted module of one service: its types, a client and an asynchronous client."""
    operations = list(read_operations(document))
    schemas = document["components"]["schemas"]
    parts = [_HEAD.format(title=document["info"]["title"], name=name)]
    parts += [_type(schema, schemas[schema]) for schema in _needed(schemas, operations)]
    for prefix, base in (("", "Client"), ("Async", "AsyncClient")):
        parts.append(_client(f"{prefix}{name.capitalize()}Client", base, operations))
    return _formatted("\n\n".join(parts))


def _type(name: str, schema: Json) -> str:
    if "properties" not in schema:
        return f"{name}: TypeAlias = {hint(schema)}\n{_doc(schema, '')}"
    required = set(schema.get("required", ()))
    hints = {
        field: hint(part) if field in required else f"NotRequired[{hint(part)}]"
        for field, part in schema["properties"].items()
    }
    if any(keyword.iskeyword(field) for field in hints):
        fields = ", ".join(f'"{field}": {kind}' for field, kind in hints.items())
        return f'{name} = TypedDict("{name}", {{{fields}}})\n{_doc(schema, "")}'
    fields = "\n".join(f"    {field}: {kind}" for field, kind in hints.items())
    return f"class {name}(TypedDict):\n{_doc(schema, '    ')}\n\n{fields}"


def _doc(schema: Json, indent: str) -> str:
    return f'{indent}"""{" ".join(schema.get("description", "").split())}"""'


def _needed(schemas: Mapping[str, Json], operations: Sequence[Operation]) -> Iterable[str]:
    """The schemas that operations refer to, directly or not, each after those it refers to."""
    words = {word for kind in _types(operations) for word in re.findall(r"\w+", kind)}
    waiting = words & schemas.keys()
    references = dict[str, list[str]]()
    while waiting:
        name = waiting.pop()
        text = msgspec.json.encode(schemas[name]).decode()
        references[name] = sorted(set(re.findall(rf"{REF}(\w+)", text)))
        waiting |= set(references[name]) - references.keys()
    return TopologicalSorter(dict(sorted(references.items()))).static_order()


def _types(operations: Iterable[Operation]) -> Iterator[str]:
    for operation in operations:
        yield operation.answer
        if operation.body:
            yield operation.body.type
        for parameter in operation.query:
            yield parameter.type


def _client(name: str, base: str, operations: Sequence[Operation]) -> str:
    is_async = base != "Client"
    methods = "\n\n".join(
        write(operation, is_async=is_async)
        for operation in operations
        for write in _method_writers(operation)
    )
    return f'class {name}({base}):\n    """Its operations."""\n\n{methods}'


def _method_writers(operation: Operation) -> Sequence[Callable[..., str]]:
    if operation.streams:
        return (_stream,)
    return (_method, _download) if operation.files else (_method,)


def _method(operation: Operation, *, is_async: bool) -> str:
    positional = [*operation.paths, *([operation.body] if operation.body else [])]
    named = sorted(
        [*operation.query, *operation.headers], key=lambda parameter: not parameter.required
    )
    star = ["*"] if named else []
    signature = ["self", *map(_declared, positional), *star, *map(_declared, named)]
    arguments = ", ".join(_call_arguments(operation))
    define, wait = ("async def", "await ") if is_async else ("def", "")
    return (
        f"    {define} {operation.name}({', '.join(signature)}) -> {operation.answer}:\n"
        f'        """{_indented(operation.doc)}"""\n'
        f"        return {wait}self._call({arguments})"
    )


def _call_arguments(operation: Operation) -> Iterator[str]:
    yield operation.answer
    yield f'"{operation.method}"'
    yield _path(operation)
    yield from _sent(operation.query, operation.headers)
    if operation.body:
        yield "body=body"
    if operation.also:
        yield f"also={operation.also}"
    if operation.once:
        yield "once=True"


def _download(operation: Operation, *, is_async: bool) -> str:
    """The method that downloads a list as a file, with the same filters but without pages."""
    query = [parameter for parameter in operation.query if parameter.name not in _PAGING]
    media_types = f"Literal[{', '.join(map(literal, operation.files))}]"
    media_type = Parameter("media_type", "", media_types, required=True)
    signature = [
        "self",
        *map(_declared, [media_type, *operation.paths]),
        "*",
        *map(_declared, [*query, *operation.headers]),
    ]
    arguments = ["media_type", _path(operation), *_sent(query, operation.headers)]
    prefix = "Async" if is_async else ""
    answer = f"Abstract{prefix}ContextManager[{prefix}Iterator[bytes]]"
    return (
        f"    def {operation.name}_as({', '.join(signature)}) -> {answer}:\n"
        f'        """The same as a file, part by part, without pages."""\n'
        f"        return self._download({', '.join(arguments)})"
    )


def _stream(operation: Operation, *, is_async: bool) -> str:
    signature = [
        "self",
        *map(_declared, operation.paths),
        "*",
        *map(_declared, [*operation.query, *operation.headers]),
    ]
    arguments = [_path(operation), *_sent(operation.query, operation.headers)]
    prefix = "Async" if is_async else ""
    answer = f"Abstract{prefix}ContextManager[{prefix}Iterator[{operation.answer}]]"
    return (
        f"    def {operation.name}({', '.join(signature)}) -> {answer}:\n"
        f'        """{_indented(operation.doc)}"""\n'
        f"        return self._stream({', '.join(arguments)})"
    )


def _path(operation: Operation) -> str:
    path = re.sub(r"\{(\w+)\}", r"{segment(\1)}", operation.path)
    return f'{"f" if operation.paths else ""}"{path}"'


def _declared(parameter: Parameter) -> str:
    default = "" if parameter.required else " = None"
    return f"{parameter.name}: {parameter.type}{default}"


def _sent(query: Sequence[Parameter], headers: Sequence[Parameter]) -> Iterator[str]:
    for kind, parameters in (("query", query), ("headers", headers)):
        if parameters:
            pairs = ", ".join(f'"{parameter.sent}": {parameter.name}' for parameter in parameters)
            yield f"{kind}={{{pairs}}}"


def _indented(doc: str) -> str:
    lines = [line.strip() for line in doc.strip().split("\n")]
    text = "\n".join(f"        {line}" if line else "" for line in lines).strip()
    return text if len(lines) == 1 else f"{text}\n        "


def _formatted(code: str) -> str:
    source = ["--quiet", "--stdin-filename", str(CLIENT / "generated" / "made.py"), "-"]
    for arguments in (["check", "--fix", "--select", "F401,I"], ["format"]):
        command = [sys.executable, "-m", "ruff", *arguments, *source]
        code = subprocess.run(  # noqa: S603
            command, input=code, capture_output=True, text=True, check=True
        ).stdout
    return code


def sources(folder: Path) -> dict[Path, str]:
    """The content of each generated module, from the documents in this folder."""
    modules = dict[Path, str]()
    for path in sorted(folder.glob("*.json")):
        name = path.stem
        document = msgspec.json.decode(path.read_bytes())
        modules[CLIENT / "generated" / f"{name}.py"] = source(document, name)
        modules[CLIENT / f"{name}.py"] = _PUBLIC.format(name=name)
    return modules


if __name__ == "__main__":
    for place, code in sources(Path(sys.argv[1])).items():
        place.write_text(code)
