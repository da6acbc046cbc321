"""Structured logs: one line for each event, in words for people or as JSON for machines.

Errors are logged without what they quote (shared/error_texts.py): no customer stands in a log.
"""

import logging
import sys
from types import TracebackType
from typing import TypeAlias

import structlog

from shared.error_texts import describe_in_full

_ExcInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


def configure(service: str, *, fmt: str = "console", level: str = "info") -> None:
    """Set up structlog for this process; every line carries the service's name."""
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if fmt == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(_format_exception),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LibraryFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    sys.excepthook = _report_end


class _LibraryFormatter(logging.Formatter):
    """Formats what libraries log."""

    def format(self, record: logging.LogRecord) -> str:
        if record.name == "asyncio":  # its further lines show tasks with the errors they raised
            record.msg = record.getMessage().partition("\n")[0]
            record.args = ()
        return super().format(record)

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802  (the name is logging's)
        return _format_exception(ei)


def _format_exception(exc_info: _ExcInfo) -> str:
    return "" if exc_info[1] is None else describe_in_full(exc_info[1])


def _report_end(
    kind: type[BaseException], error: BaseException, place: TracebackType | None
) -> None:
    """Say why the process ends."""
    if isinstance(error, Exception):
        sys.stderr.write(f"{describe_in_full(error)}\n")
    else:
        sys.__excepthook__(kind, error, place)
