"""Reading a definition as the API takes it: JSON alone, so that a server needs no reader of YAML."""

import json
import re

from customlabels.asl.documents import Json, read_json, size_of
from customlabels.errors import InvalidInput

MAX_DEFINITION_BYTES = 1_048_576  # the service's bound of a definition


def read_json_definition(text: str) -> Json:
    """The definition as the API takes it: JSON only, nothing substituted. Raises InvalidInput."""
    check_size(text)

    def once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        result: dict[str, Json] = {}
        for key, value in pairs:
            if key in result:
                raise InvalidInput(f"the key '{key}' stands twice{_lines_of(text, key)}")
            result[key] = value
        return result

    try:
        value = read_json(text, once)
    except InvalidInput as error:
        raise InvalidInput(f"definition: {error}") from None
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        text = "an escape such as \\ud83d is half a character without the other half"
        raise InvalidInput(f"definition: {text}") from None
    return value


def check_size(text: str) -> None:
    """Raises InvalidInput above MAX_DEFINITION_BYTES."""
    size = size_of(text)
    if size > MAX_DEFINITION_BYTES:
        raise InvalidInput(f"definition: {size} bytes; at most {MAX_DEFINITION_BYTES} are allowed")


def _lines_of(text: str, key: str) -> str:
    spelled = re.compile(re.escape(json.dumps(key, ensure_ascii=False)) + r"\s*:")
    lines = [str(text.count("\n", 0, match.start()) + 1) for match in spelled.finditer(text)]
    return f" in one object; see lines {', '.join(lines)}" if lines else " in one object"
