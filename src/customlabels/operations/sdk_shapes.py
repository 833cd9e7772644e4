"""Names and values as the AWS SDK shows them to a state: capital first letters, times as texts.

Layer: operations. Pure: both ways between the SDK's form and the model's, by the shapes of a service model.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from botocore.model import Shape

from customlabels.workflows import TaskFailure


def as_text(value: Any) -> str:
    """A JSON value as the compact text that stands for it where only a text can be."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def as_model(shape: Shape, value: Any, path: str = "") -> Any:
    """Parameters with the SDK's names as ones with the model's; nulls are left out.

    A value where the model has a text becomes its JSON text, as the service does it for inputs and messages.
    Raises TaskFailure for a name that is unknown.
    """
    if shape.type_name == "structure" and isinstance(value, dict):
        named = {member[:1].upper() + member[1:]: member for member in shape.members}
        unknown = [f"{path}{name}" for name in value if name not in named]
        if unknown:
            raise TaskFailure(
                "States.Runtime",
                f"unknown parameters {', '.join(unknown)}; there are {', '.join(sorted(named))}",
            )
        return {
            named[name]: as_model(shape.members[named[name]], inner, f"{path}{name}.")
            for name, inner in value.items()
            if inner is not None
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [as_model(shape.member, inner, f"{path}{at}.") for at, inner in enumerate(value)]
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: as_model(shape.value, inner, f"{path}{key}.") for key, inner in value.items()}
    if shape.type_name == "string":
        return as_text(value)
    if shape.type_name == "blob":
        return as_text(value).encode()
    return value


def as_sdk(shape: Shape | None, value: Any) -> Any:
    """An answer as the SDK gives it to a state: a JSON value with capital first letters."""
    if shape is None:
        return {}
    if shape.type_name == "structure":
        return {
            name[:1].upper() + name[1:]: as_sdk(shape.members[name], inner)
            for name, inner in value.items()
            if inner is not None and name in shape.members
        }
    if shape.type_name == "list":
        return [as_sdk(shape.member, inner) for inner in value]
    if shape.type_name == "map":
        return {key: as_sdk(shape.value, inner) for key, inner in value.items()}
    if shape.type_name == "timestamp":
        moment = value if isinstance(value, datetime) else datetime.fromtimestamp(value, UTC)
        return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if shape.type_name == "blob":
        content = value.read() if hasattr(value, "read") else value
        return content.decode("utf-8", "replace") if isinstance(content, bytes) else content
    return value
