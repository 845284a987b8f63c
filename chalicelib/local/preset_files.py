"""Reads presets from TOML and YAML files; called by commands that take `--preset FILE`, and `cts preset`."""

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from chalicelib.domain.ids import digest
from chalicelib.domain.ladder.preset import Preset, preset_configuration, preset_of
from chalicelib.errors import Rejected, UsageError

DEFAULT = "default"
_DIGEST_CHARACTERS = 8


def _parse_toml(text: str) -> Any:
    # Decimals keep the text of a number: 0.1 stays a tenth.
    return tomllib.loads(text, parse_float=Decimal)


def _parse_yaml(text: str) -> Any:
    from chalicelib.local.preset_yaml import parse_yaml

    return parse_yaml(text)


_FORMATS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    ".toml": ("TOML", _parse_toml),
    ".yaml": ("YAML", _parse_yaml),
    ".yml": ("YAML", _parse_yaml),
}


def read_preset(path: Path, option: str = "--preset") -> Preset:
    """Return the preset a file describes; UsageError names the file, the place and what is allowed there.

    `option` is what the file was named by, for the errors.
    """
    place = f"{option} {path}:"
    if path.suffix.lower() not in _FORMATS:
        raise UsageError(f"{place} its name must end in {', '.join(_FORMATS)}")
    format_name, parse = _FORMATS[path.suffix.lower()]
    try:
        # Some editors begin a file with a mark of its encoding.
        data = parse(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{place} {error.strerror}: name a file in TOML or YAML") from None
    except ArithmeticError:
        raise UsageError(f"{place} is not {format_name}: a number in it is out of range") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{place} is not {format_name}: {error}") from None
    try:
        return preset_of(data)
    except Rejected as error:
        raise UsageError(f"{place} {error}") from None


def check_fits(plain: Mapping[str, Any], symbols: Sequence[str], timeframe: int) -> int:
    """Return how many sets a preset (plain form) makes of symbols; UsageError names what does not fit."""
    try:
        return len(preset_configuration(preset_of(plain), symbols, timeframe)[0])
    except Rejected as error:
        raise UsageError(f"--preset {plain['name']!r}: {error}") from None


def preset_mark(plain: Mapping[str, Any] | None) -> str:
    """Return a short text that differs between presets (plain form), `default` without one."""
    if plain is None:
        return DEFAULT
    return f"{plain['name']} ({digest(json.dumps(plain, sort_keys=True))[:_DIGEST_CHARACTERS]})"
