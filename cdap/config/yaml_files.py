"""YAML files read into pydantic models, with the line of every field kept for errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from cdap.errors import ConfigurationError

Model = TypeVar("Model", bound=BaseModel)
FieldPath = tuple[str | int, ...]


class _Document:
    """A YAML document as Python values, and the line on which each field stands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[FieldPath, int] = {(): 1}
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"Loading {path}", str(error), "Give a readable UTF-8 file") from error
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            self.values = None if node is None else self._construct(loader, node, ())
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
            raise self.error((), f"not YAML: {error.problem or error.context}", line) from error
        finally:
            loader.dispose()

    def _construct(self, loader: yaml.SafeLoader, node: yaml.Node, path: FieldPath) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            mapping: dict[str, Any] = {}
            for key_node, value_node in node.value:
                key = loader.construct_object(key_node, deep=True)
                line = key_node.start_mark.line + 1
                if not isinstance(key, str):
                    # YAML 1.1 reads `on:` and `no:` as booleans; as a field's name they can only be a slip.
                    raise self.error(path, f"the name {key_node.value!r} is not a string; put it in quotes", line)
                if key in mapping:
                    raise self.error((*path, key), "given twice", line)
                self.lines[(*path, key)] = line
                mapping[key] = self._construct(loader, value_node, (*path, key))
            return mapping
        if isinstance(node, yaml.SequenceNode):
            return [self._construct(loader, item, (*path, index)) for index, item in enumerate(node.value)]
        return loader.construct_object(node, deep=True)

    def line_of(self, path: FieldPath) -> int:
        """The line of a field, or of the nearest field around it that the file holds."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]

    def error(self, path: FieldPath, found: str, line: int | None = None) -> ConfigurationError:
        return configuration_error(self.path, line if line is not None else self.line_of(path), path, found)


def configuration_error(file: Path, line: int, field: FieldPath, found: str) -> ConfigurationError:
    """An error about one field: `<file>:<line>: <field>: <found>`."""
    name = ".".join(str(part) for part in field) or "(the whole file)"
    return ConfigurationError(f"Loading {file}", f"line {line}, field {name}: {found}", "Correct the file")


def read_yaml(path: Path) -> dict[str, Any]:
    """The file's fields, unchecked. Raises ConfigurationError for a file that is not a mapping of fields."""
    return _mapping(_Document(path))


def field_error(path: Path, field: FieldPath, found: str) -> ConfigurationError:
    """An error about one field of a file, with the field's line."""
    return _Document(path).error(field, found)


def _mapping(document: _Document) -> dict[str, Any]:
    if not isinstance(document.values, dict):
        raise document.error((), f"expected a mapping of fields, found {type(document.values).__name__}")
    return document.values


def load_yaml(path: Path, model: type[Model]) -> Model:
    """The file as `model`. Raises ConfigurationError naming file, line and field of everything that is wrong."""
    document = _Document(path)
    values = _mapping(document)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = []
        for detail in error.errors(include_url=False):
            field = tuple(part for part in detail["loc"])
            name = ".".join(str(part) for part in field) or "(the whole file)"
            message = detail["msg"].removeprefix("Value error, ")
            if detail["type"] == "extra_forbidden":
                message = "there is no such field"
            problems.append(f"line {document.line_of(field)}, field {name}: {message}")
        raise ConfigurationError(f"Loading {path}", "; ".join(problems), "Correct the file") from None
