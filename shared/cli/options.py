"""The options and arguments that several commands share."""

import shlex
from pathlib import Path
from typing import Annotated, Final

import typer

from shared.clock import ClockMode
from shared.local.home import Home
from shared.processes import CONSUMERS

DEFAULT_HOME: Final = Path(".stammkunde")
SHIPPED_POLICIES: Final = Path(__file__).parents[2] / "deploy" / "policies"


def policy_file(path: Path | None) -> Path | None:
    """Find a policy by its path, or by its bare name among those in deploy/policies."""
    if path is None or path.is_file():
        return path
    shipped = SHIPPED_POLICIES / path.name
    if path != Path(path.name) or not shipped.is_file():
        raise typer.BadParameter(
            f"{path} is neither a file nor the name of a policy in {SHIPPED_POLICIES}"
        )
    return shipped


HomeOption = Annotated[
    Path,
    typer.Option(
        "--home",
        envvar="STAMMKUNDE_HOME",
        help="Folder with this stack's data, logs, API key and addresses.",
    ),
]
PortBaseOption = Annotated[
    int | None,
    typer.Option(
        "--port-base",
        min=1,
        max=65532,
        help="Port of ingest; lifecycle, reactivation and referral use the next three. "
        "Default: the port last used in this home, otherwise 8001.",
    ),
]
ClockOption = Annotated[
    ClockMode,
    typer.Option(
        "--clock",
        help="What deadlines follow: real time (wall), or clock.ticked events in the log (log).",
    ),
]
PolicyOption = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        callback=policy_file,
        help="Policy to apply: a TOML file, or the name of one in deploy/policies.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
ModelOption = Annotated[
    str | None,
    typer.Option(help="Use the phase names of this model, such as six_phase or cxm."),
]
ServiceOption = Annotated[
    str | None, typer.Option("--service", help=f"Only this service: {', '.join(CONSUMERS)}.")
]
TopicArgument = Annotated[
    str, typer.Argument(metavar="TOPIC", help="A topic, such as customer-events.v1.")
]
PartitionArgument = Annotated[
    int, typer.Argument(metavar="PARTITION", min=0, help="The number of one of its partitions.")
]


def command_line(words: str, home: Home) -> str:
    """A command to paste, about the stack of this home and no other."""
    if home.path == DEFAULT_HOME.resolve():
        return f"stammkunde {words}"
    return f"stammkunde {words} --home {shlex.quote(str(home.path))}"


def selected_services(service: str | None) -> tuple[str, ...]:
    """Return the named service, or all of them. Raises BadParameter for an unknown name."""
    if service is None:
        return tuple(CONSUMERS)
    if service not in CONSUMERS:
        raise typer.BadParameter(
            f"{service!r} is not one of {', '.join(CONSUMERS)}", param_hint="SERVICE"
        )
    return (service,)
