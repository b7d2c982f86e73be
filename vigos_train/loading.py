"""YAML and ``key=value`` words -> TrainConfig, every key and type checked. No knobs here."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from vigos_eval.errors import ConfigError
from vigos_eval.paths import shipped
from vigos_train.config import TrainConfig

Record = TypeVar("Record")


def load_config(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """The run a YAML file describes, with ``section.key=value`` words applied on top.

    Raises:
        ConfigError: No such file, not YAML, an unknown key, a value of the wrong type or range.
    """
    if not path.is_file():
        presets = shipped("configs") / "train"
        names = ", ".join(sorted(file.name for file in presets.glob("*.yaml")))
        raise ConfigError(f"{path} is no file; presets in {presets}: {names}")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds a {type(values).__name__}; it must hold keys and values")
    for word in overrides:
        _override(values, word)
    return record_from(TrainConfig, values, str(path))


def _override(values: dict[str, Any], word: str) -> None:
    name, separator, text = word.partition("=")
    if not separator or not name:
        raise ConfigError(f"--set {word!r} must read section.key=value")
    *sections, last = name.split(".")
    place = values
    for section in sections:
        inner = place.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {word!r}: {section!r} is a value, not a section")
        place = inner
    try:
        place[last] = yaml.safe_load(text) if text else ""
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {word!r}: the value is not YAML; put it in quotes") from error


def record_from(kind: type[Record], values: Mapping[str, Any], where: str) -> Record:
    """A frozen record from plain values; nested records from nested mappings.

    Raises:
        ConfigError: An unknown key (names the nearest section's keys), a wrong type or range.

    >>> from vigos_train.config import OptimConfig
    >>> record_from(OptimConfig, {"learning_rate": "5e-6"}, "demo").learning_rate
    5e-06
    """
    hints = typing.get_type_hints(kind)
    known = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    if unknown := sorted(str(key) for key in values.keys() - set(known)):
        raise ConfigError(f"{where}: unknown key {unknown[0]!r}; known: {', '.join(known)}")
    return kind(
        **{key: _checked(hints[key], value, f"{where}: {key}") for key, value in values.items()}
    )


def _checked(hint: Any, value: Any, where: str) -> Any:
    """`value` as the type `hint` wants it, or a ConfigError that names both."""
    if is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} is {value!r}; it must be a section with keys")
        return record_from(typing.cast(type[Any], hint), value, where)
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        inner = [a for a in typing.get_args(hint) if a is not type(None)]
        return None if value is None else _checked(inner[0], value, where)
    if origin is Literal:
        if value not in typing.get_args(hint):
            allowed = ", ".join(map(repr, typing.get_args(hint)))
            raise ConfigError(f"{where} is {value!r}; use one of {allowed}")
        return value
    if origin is tuple:
        value = [value] if isinstance(value, str) else value  # report_to: wandb
        if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
            raise ConfigError(f"{where} is {value!r}; it must be a list of texts")
        return tuple(value)
    return _scalar(hint, value, where)


def _scalar(hint: type, value: Any, where: str) -> Any:
    # bool is an int in Python, and YAML 1.1 reads 5e-6 (no dot) as text: both are told apart here.
    if hint is float and not isinstance(value, bool) and isinstance(value, int | float | str):
        try:
            return float(value)
        except ValueError as error:
            raise ConfigError(f"{where} is {value!r}; it must be a number") from error
    if isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    raise ConfigError(f"{where} is {value!r}; it must be {names[hint]}")


def config_fields(config: TrainConfig) -> dict[str, Any]:
    """Every setting by its dotted name, JSON values only.

    >>> config_fields(TrainConfig())["lora.rank"]
    64
    """
    found: dict[str, Any] = {}
    for key, value in asdict(config).items():
        if isinstance(value, dict):
            found.update({f"{key}.{name}": _plain(inner) for name, inner in value.items()})
        else:
            found[key] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def config_text(config: TrainConfig) -> str:
    """The resolved config as YAML that `load_config` reads back to the same record."""
    values: dict[str, Any] = {}
    for name, value in config_fields(config).items():
        section, _, key = name.rpartition(".")
        (values.setdefault(section, {}) if section else values)[key] = value
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def replaced(config: TrainConfig, **changes: Any) -> TrainConfig:
    """The config with ``section__key=value`` or ``key=value`` changed.

    >>> replaced(TrainConfig(), optim__seed=7, method="opsd").optim.seed
    7
    """
    sections: dict[str, dict[str, Any]] = {}
    plain: dict[str, Any] = {}
    for name, value in changes.items():
        section, separator, key = name.partition("__")
        if separator:
            sections.setdefault(section, {})[key] = value
        else:
            plain[name] = value
    for section, values in sections.items():
        plain[section] = dataclasses.replace(getattr(config, section), **values)
    return dataclasses.replace(config, **plain)
