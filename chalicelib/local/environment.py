"""What `cts run` sets up for its own process: where AWS is, and where logs go."""

import logging
import os
from collections.abc import Iterable
from logging.handlers import RotatingFileHandler
from pathlib import Path

from chalicelib.settings import Settings

_LOG_BYTES = 10_000_000
_LOG_FILES = 3
_LOOPBACK = "127.0.0.1,localhost"


def use_local_aws(settings: Settings) -> None:
    """Point this process, and nothing else, at the emulator; no real profile or key can be picked up."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN"):
        os.environ.pop(name, None)
    no_proxy = os.environ.get("NO_PROXY", os.environ.get("no_proxy", ""))
    proxies = ",".join(filter(None, (no_proxy, _LOOPBACK)))
    os.environ.update(
        {
            "AWS_ENDPOINT_URL": settings.endpoint_url,
            "AWS_REGION": settings.region,
            "AWS_DEFAULT_REGION": settings.region,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "CTS_ACCOUNT": settings.account,
            "CTS_EVENTS": settings.events,
            # The emulator's keys do not survive a restart: what they encrypted could never be read again.
            "CTS_KEY": "none",
            "CTS_STAGE": settings.stage,
            "NO_PROXY": proxies,
            "no_proxy": proxies,
            "POWERTOOLS_TRACE_DISABLED": "true",
        }
    )


class _FormatByName(logging.Formatter):
    """Keeps the format that a logger came with (Powertools writes JSON), and has one for all others."""

    def __init__(self, own_formats: dict[str, logging.Formatter]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        self._own_formats = own_formats

    def format(self, record: logging.LogRecord) -> str:
        own = self._own_formats.get(record.name)
        return own.format(record) if own else super().format(record)


def log_to(path: Path, loggers: Iterable[logging.Logger]) -> None:
    """Send all logs to one file that rotates; `loggers` are those that would write to the terminal."""
    formats: dict[str, logging.Formatter] = {}
    for logger in loggers:
        own = [handler.formatter for handler in logger.handlers if handler.formatter is not None]
        if own:
            formats[logger.name] = own[0]
        logger.handlers[:] = []
        logger.propagate = True
    handler = RotatingFileHandler(
        path, maxBytes=_LOG_BYTES, backupCount=_LOG_FILES, encoding="utf-8", delay=True
    )
    handler.setFormatter(_FormatByName(formats))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("cts").setLevel(logging.INFO)
