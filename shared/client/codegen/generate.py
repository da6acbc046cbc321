"""The typed clients, made from the documents: `python -m shared.client.codegen.generate docs/openapi`."""

import keyword
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import msgspec

from shared.client.codegen.operations import REF, Json, Operation, Value, hint, literal, read

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
    """The module of one service: its types, a client, an asynchronous client. Formatted."""
    operations, schemas = list(read(document)), document["components"]["schemas"]
    parts = [_HEAD.format(title=document["info"]["title"], name=name)]
    parts += [_type(schema, schemas[schema]) for schema in _needed(schemas, operations)]
    for begin, base in (("", "Client"), ("Async", "AsyncClient")):
        parts.append(_client(f"{begin}{name.capitalize()}Client", base, operations))
    return _formatted("\n\n".join(parts))


# -- types -------------------------------------------------------------------------------------------------------------


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
    """The schemas that operations speak of, and those that these speak of: each behind those that it needs."""
    types = [
        kind
        for o in operations
        for kind in (o.answer, o.body.type if o.body else "", *(v.type for v in o.query))
    ]
    waiting = {word for kind in types for word in re.findall(r"\w+", kind)} & schemas.keys()
    found = dict[str, list[str]]()
    while waiting:
        name = waiting.pop()
        found[name] = sorted(
            set(re.findall(rf"{REF}(\w+)", msgspec.json.encode(schemas[name]).decode()))
        )
        waiting |= set(found[name]) - found.keys()
    return TopologicalSorter(dict(sorted(found.items()))).static_order()


# -- clients -----------------------------------------------------------------------------------------------------------


def _client(name: str, base: str, operations: Sequence[Operation]) -> str:
    asynchronous = base != "Client"
    methods = "\n\n".join(
        make(operation, asynchronous=asynchronous)
        for operation in operations
        for make in _made(operation)
    )
    return f'class {name}({base}):\n    """Its operations."""\n\n{methods}'


def _made(said: Operation) -> Sequence[Callable[..., str]]:
    if said.streams:
        return (_stream,)
    return (_method, _download) if said.files else (_method,)


def _method(said: Operation, *, asynchronous: bool) -> str:
    given = [*said.paths, *([said.body] if said.body else [])]
    named = sorted([*said.query, *said.headers], key=lambda value: not value.required)
    signature = ["self", *map(_declared, given), *(["*"] if named else []), *map(_declared, named)]
    values = [said.answer, f'"{said.method}"', _path(said), *_sent(said.query, said.headers)]
    values += [*(["body=body"] if said.body else []), *([f"also={said.also}"] if said.also else [])]
    values += ["once=True"] if said.once else []
    begin, wait = ("async def", "await ") if asynchronous else ("def", "")
    return (
        f"    {begin} {said.name}({', '.join(signature)}) -> {said.answer}:\n"
        f'        """{_indented(said.doc)}"""\n'
        f"        return {wait}self._call({', '.join(values)})"
    )


def _download(said: Operation, *, asynchronous: bool) -> str:
    """What filters a page filters a file, which has no pages."""
    query = [value for value in said.query if value.name not in _PAGING]
    media_type = Value(
        "media_type", "", f"Literal[{', '.join(map(literal, said.files))}]", required=True
    )
    signature = [
        "self",
        *map(_declared, [media_type, *said.paths]),
        "*",
        *map(_declared, [*query, *said.headers]),
    ]
    values = ["media_type", _path(said), *_sent(query, said.headers)]
    begin = "Async" if asynchronous else ""
    answer = f"Abstract{begin}ContextManager[{begin}Iterator[bytes]]"
    return (
        f"    def {said.name}_as({', '.join(signature)}) -> {answer}:\n"
        f'        """The same as a file, part by part, without pages."""\n'
        f"        return self._download({', '.join(values)})"
    )


def _stream(said: Operation, *, asynchronous: bool) -> str:
    signature = [
        "self",
        *map(_declared, said.paths),
        "*",
        *map(_declared, [*said.query, *said.headers]),
    ]
    begin = "Async" if asynchronous else ""
    answer = f"Abstract{begin}ContextManager[{begin}Iterator[{said.answer}]]"
    return (
        f"    def {said.name}({', '.join(signature)}) -> {answer}:\n"
        f'        """{_indented(said.doc)}"""\n'
        f"        return self._stream({', '.join([_path(said), *_sent(said.query, said.headers)])})"
    )


def _path(said: Operation) -> str:
    path = re.sub(r"\{(\w+)\}", r"{segment(\1)}", said.path)
    return f'{"f" if said.paths else ""}"{path}"'


def _declared(value: Value) -> str:
    return f"{value.name}: {value.type}" + ("" if value.required else " = None")


def _sent(query: Sequence[Value], headers: Sequence[Value]) -> Iterator[str]:
    for kind, values in (("query", query), ("headers", headers)):
        if values:
            pairs = ", ".join(f'"{value.sent}": {value.name}' for value in values)
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
    """Each module and what belongs in it, given the folder of the documents."""
    found = {
        path.stem: msgspec.json.decode(path.read_bytes()) for path in sorted(folder.glob("*.json"))
    }
    made = {
        CLIENT / "generated" / f"{name}.py": source(document, name)
        for name, document in found.items()
    }
    return made | {CLIENT / f"{name}.py": _PUBLIC.format(name=name) for name in found}


if __name__ == "__main__":
    for place, code in sources(Path(sys.argv[1])).items():
        place.write_text(code)
