"""Log lines: one line an event, with the request's id, safe against injected line breaks."""

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime

from configs import secrecy

request_id: ContextVar[str] = ContextVar("request_id", default="-")


def _one_line(text: str) -> str:
    """Return `text` with control characters escaped, so that nobody can forge a second line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class RequestIdFilter(logging.Filter):
    """Adds `request_id` to every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through, with its id."""
        record.request_id = request_id.get()
        return True


class SecretsFilter(logging.Filter):
    """Takes secrets out of a record: out of its text, its traceback and its stack."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through, with dots where a secret was."""
        record.msg, record.args = secrecy.redact(_message(record)), None
        if record.exc_info:
            record.exc_text = secrecy.redact(_PLAIN.formatException(record.exc_info))
        if record.stack_info:
            record.stack_info = secrecy.redact(record.stack_info)
        return True


_PLAIN = logging.Formatter()


def _message(record: logging.LogRecord) -> str:
    """Return the text; a record whose arguments do not fit must not take others down."""
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return str(record.msg)


class ConsoleFormatter(logging.Formatter):
    """Lines for people: time, level, logger, message; a traceback keeps its lines."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        when = datetime.fromtimestamp(record.created, UTC).astimezone()
        line = (
            f"{when:%H:%M:%S} {record.levelname:<7} {record.name}: {_one_line(record.getMessage())}"
        )
        if record.exc_info:
            line += "\n" + (record.exc_text or self.formatException(record.exc_info))
        return line


class JsonFormatter(logging.Formatter):
    """Lines for machines: one JSON object each, tracebacks inside."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object as one line."""
        event = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": getattr(record, "request_id", "-"),
        }
        if record.exc_info:
            event["exception"] = record.exc_text or self.formatException(record.exc_info)
        return json.dumps(event, ensure_ascii=False)
