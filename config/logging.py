"""Log lines: readable on a console, JSON for machines; ids and codes, never personal data."""

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from config import tracing
from config.settings import Settings

# Libraries whose lines below WARNING tell an operator nothing.
_QUIET = ("httpx", "httpx2", "asyncio", "fontTools", "weasyprint", "aiosmtplib")


def configure_logging(settings: Settings) -> None:
    """Set up logging once per process, for Laurel's own lines and for those of the libraries it uses.

    Whatever was bound with ``structlog.contextvars.bind_contextvars`` (ids of request and claim) is part of every line.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _with_trace,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_values,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(settings)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))


def _renderer(settings: Settings) -> Processor:
    if settings.log_format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())


def _with_trace(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Name the trace, where there is one."""
    if trace_id := tracing.trace_id():
        line["trace_id"] = trace_id
    return line


def _without_values(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Replace an exception by where it was raised: its message may repeat what somebody typed."""
    error = line.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, BaseException):
        error = (type(error), error, error.__traceback__)
    if isinstance(error, tuple) and error[0] is not None:
        line["error"] = error[0].__qualname__
        line["raised_at"] = places_of(error[1])
    return line


def places_of(error: BaseException | None, most: int = 12) -> list[str]:
    """Where an exception came through, innermost last: file, line and function, without any value."""
    places: list[str] = []
    traceback = error.__traceback__ if error else None
    while traceback is not None:
        code = traceback.tb_frame.f_code
        places.append(f"{code.co_filename}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return places[-most:]
