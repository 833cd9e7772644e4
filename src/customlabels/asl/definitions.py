"""Reading a definition from text: YAML or JSON, with SAM's `${Name}` substitutions.

What AWS gets is JSON; the YAML and the tokens are SAM's. A key that stands twice, a token without a value
and a key that is no text are mistakes that would otherwise change the machine silently.
"""

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any

import yaml

from customlabels.asl.documents import MAX_DEPTH, Json
from customlabels.asl.json_definitions import check_size, read_json_definition
from customlabels.errors import InvalidInput

MAX_NODES = 200_000  # values after YAML's aliases are followed, so that a few lines cannot become gigabytes

TOKEN = re.compile(r"\$\{([A-Za-z_]\w*)\}", re.ASCII)


def read_definition(text: str, substitutions: Mapping[str, str] | None = None) -> dict[str, Json]:
    """The definition as data, tokens substituted in all string values.

    Raises InvalidInput that names the problem and its place: no object, a duplicate key, a key that is no
    text, a token without a value, a text over MAX_DEFINITION_BYTES.
    """
    data = read_json_definition(text) if text.lstrip().startswith("{") else _read_yaml(text)
    if not isinstance(data, dict):
        raise InvalidInput("definition: it must be an object with StartAt and States")
    copied = _Copy(substitutions or {})
    result = copied.of(data, "", 0)
    if copied.unknown:
        tokens = ", ".join(copied.unknown)
        raise InvalidInput(
            f"definition: no value for {tokens}; pass it in the substitutions or remove the token"
        )
    return dict(result)


class _Loader(yaml.SafeLoader):
    """Safe YAML without dates (a definition has texts) in which a mapping has each key once."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    lines: dict[str, int] = {}
    for key_node, _ in node.value:
        line = key_node.start_mark.line + 1
        place = f"definition, line {line}"
        if key_node.tag == "tag:yaml.org,2002:merge":
            raise InvalidInput(f"{place}: merge keys (<<) are not supported; write it out")
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise InvalidInput(f"{place}: the key {key!r} is not a text; quote it")
        if key in lines:
            raise InvalidInput(f"{place}: the key '{key}' stands twice, first in line {lines[key]}")
        lines[key] = line
    return {str(key): value for key, value in loader.construct_mapping(node, deep=True).items()}


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _read_yaml(text: str) -> Json:
    check_size(text)
    try:
        return _Loader(text).get_single_data()
    except RecursionError:
        raise InvalidInput("definition: nested too deeply") from None
    except yaml.YAMLError as error:
        raise InvalidInput(f"definition: not a YAML text: {error}") from None


class _Copy:
    """A copy of the data with tokens substituted; it counts, because aliases may repeat without end."""

    def __init__(self, substitutions: Mapping[str, str]) -> None:
        self.unknown: list[str] = []
        self._substitutions, self._nodes = substitutions, 0

    def of(self, value: Json, place: str, depth: int) -> Json:
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            raise InvalidInput("definition: too large or nested too deeply, its YAML aliases followed")
        if isinstance(value, dict):
            return {key: self.of(child, f"{place}/{key}", depth + 1) for key, child in value.items()}
        if isinstance(value, list):
            return [self.of(child, f"{place}[{index}]", depth + 1) for index, child in enumerate(value)]
        if isinstance(value, str):
            return TOKEN.sub(lambda match: self._value(match, place), value)
        if value is None or isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value)):
            return value
        raise InvalidInput(f"definition: the value at {place} is no JSON value; quote it")

    def _value(self, match: re.Match[str], place: str) -> str:
        if match[1] in self._substitutions:
            return self._substitutions[match[1]]
        self.unknown.append(f"{match[0]} at {place or '/'}")
        return match[0]
