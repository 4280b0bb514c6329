"""The log: one line for each event, as text or as JSON, to standard output."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final

from cp_whisperx.environment import Environment

_QUIET: Final = ("dramatiq", "urllib3", "redis", "numba", "matplotlib", "httpx", "faster_whisper")
"""Libraries that log too much: only their warnings and errors are shown."""


class _OneLine(logging.Formatter):
    """`2026-01-31T12:00:00Z INFO demux of ...: done`, also for an event with a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{_time(record)} {record.levelname} {_text(self, record)}".replace("\n", " | ")


class _JsonLine(logging.Formatter):
    """One JSON object in one line."""

    def format(self, record: logging.LogRecord) -> str:
        event = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _text(self, record),
        }
        return json.dumps(event, ensure_ascii=False)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    traceback = f"\n{formatter.formatException(record.exc_info)}" if record.exc_info else ""
    return record.getMessage() + traceback


def start_log(environment: Environment) -> None:
    """Sends all logs of this process to standard output, with LOG_FORMAT and LOG_LEVEL of the environment."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonLine() if environment.log_format == "json" else _OneLine())
    logging.basicConfig(level=environment.log_level, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(environment.log_level)))
