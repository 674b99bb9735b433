"""YAML read with places: every mapping key and list item knows its `file:line:column`; duplicate keys are refused.

In: text and the name it came from.  Out: plain data and a table path → place, for errors that lead to the cell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from inventory.errors import ConfigurationError, InputError

M = TypeVar("M", bound=BaseModel)
Loader = yaml.SafeLoader | yaml.BaseLoader
Place = tuple[int, int]
Path_ = tuple[str | int, ...]


class Document:
    """Data of one YAML file and where each part of it stands."""

    def __init__(self, name: str, data: Any, places: dict[Path_, Place]) -> None:
        self.name, self.data, self.places = name, data, places

    def place(self, path: Sequence[str | int]) -> str:
        """`file:line:column` of the deepest part of `path` that exists in the file."""
        parts = tuple(path)
        while parts and parts not in self.places:
            parts = parts[:-1]
        line, column = self.places.get(parts, (1, 1))
        return f"{self.name}:{line}:{column}"

    def validate(self, model: type[M]) -> M:
        """The data as `model`; raises ConfigurationError with all problems at once, each with its place."""
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            problems = []
            for item in error.errors():
                where = self.place([part for part in item["loc"] if isinstance(part, (str, int))])
                shown = ".".join(str(part) for part in item["loc"]) or "the file"
                problems.append(f"{where}: {shown}: {item['msg'].removeprefix('Value error, ')}")
            raise ConfigurationError(problems) from error


def _build(node: yaml.Node, path: Path_, name: str, places: dict[Path_, Place], problems: list[str], loader: Loader) -> Any:
    mark = node.start_mark
    places[path] = (mark.line + 1, mark.column + 1)
    if isinstance(node, yaml.MappingNode):
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            at = f"{name}:{key_node.start_mark.line + 1}:{key_node.start_mark.column + 1}"
            if not isinstance(key, (str, int)):
                problems.append(f"{at}: a key must be text, not {key!r}")
                continue
            if key in result:
                problems.append(f"{at}: the key {key!r} stands twice")
                continue
            result[key] = _build(value_node, (*path, key), name, places, problems, loader)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*path, index), name, places, problems, loader) for index, item in enumerate(node.value)]
    try:
        return loader.construct_object(node, deep=True)
    except ValueError as error:  # `2026-02-30` looks like a date and is none
        problems.append(f"{name}:{mark.line + 1}:{mark.column + 1}: {node.value!r}: {error}")
        return None


_FAST: Any = getattr(yaml, "CSafeLoader", None)
"""libyaml's own parser, a dozen times as fast, where PyYAML was built with it."""
_BRACKETS, _INDENT = 5000, 1000
"""How many opening brackets a text may hold, and how far a line may be indented, for libyaml: its composer has no limit to how deep
they may stand in each other, and a stack that overflows ends the program."""


def _composed(text: str) -> yaml.Node | None:
    """The document's nodes by libyaml, or None where it is missing or refuses: Python's parser then says why, in the same words."""
    deep = text.count("[") + text.count("{") > _BRACKETS or re.search(rf"^[ \t?:-]{{{_INDENT}}}", text, re.M)
    if _FAST is None or deep:
        return None
    fast = _FAST(text)
    try:
        node: yaml.Node | None = fast.get_single_node()
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    finally:
        fast.dispose()
    return node


def parse(text: str, name: str, *, typed: bool = True) -> Document:
    """Read YAML text.  Raises ConfigurationError with `file:line:column` for syntax errors and duplicate keys.

    Not `typed`: every scalar is the text that stands there, so that `0117`, `no` and `2023-02-29` are what somebody wrote.
    """
    try:
        loader: Loader = yaml.SafeLoader(text) if typed else yaml.BaseLoader(text)
    except yaml.reader.ReaderError as error:  # a control character; found before anything is read
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        raise ConfigurationError([f"{name}:{line}:{column}: the character {error.character:#06x} cannot stand in YAML"]) from error
    try:
        node = _composed(text) or loader.get_single_node()
        places: dict[Path_, Place] = {}
        problems: list[str] = []
        data = _build(node, (), name, places, problems, loader) if node is not None else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise ConfigurationError([f"{where}: {error.problem or error.context}"]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError([f"{name}:1:1: this is not YAML: {error}"]) from error
    finally:
        loader.dispose()
    if problems:
        raise ConfigurationError(problems)
    return Document(name, data, places)


def read(path: Path, *, typed: bool = True) -> Document:
    """Read a YAML file.  Raises InputError when it cannot be read, ConfigurationError when it is not good YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}", hint="save it as UTF-8") from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    return parse(text, str(path), typed=typed)
