"""Values of a service model as XML, and back.

Layer: wire. Written by hand because S3's keys may hold characters that XML libraries refuse to write. Reading
takes no document type, so that no entity can grow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

from botocore.model import Shape

from customlabels.errors import ServiceError

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
SPECIAL = re.compile('[&<>"\\x00-\\x08\\x0b-\\x1f\\x7f\\ud800-\\udfff\\ufffe\\uffff]')


def escaped(text: str) -> str:
    """Text for an element; what XML has no character for becomes a reference, as S3 does it."""
    return SPECIAL.sub(lambda match: f"&#x{ord(match.group()):x};", text)


def element(shape: Shape, name: str, value: Any, attributes: str = "") -> str:
    """`value` as the element `name`; members that are None are left out."""
    return f"<{name}{attributes}>{_content(shape, value)}</{name}>"


def _content(shape: Shape, value: Any) -> str:
    if shape.type_name == "structure":
        return "".join(
            _member(shape.members[name], name, item)
            for name, item in value.items()
            if item is not None and "location" not in shape.members[name].serialization
        )
    if shape.type_name == "list":
        name = shape.member.serialization.get("name", "member")
        return "".join(element(shape.member, name, item) for item in value)
    if shape.type_name == "timestamp":
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if shape.type_name == "boolean":
        return "true" if value else "false"
    return escaped(str(value))


def _member(shape: Shape, name: str, value: Any) -> str:
    tag = _tag(shape, name)
    if shape.type_name == "list" and shape.serialization.get("flattened"):
        return "".join(element(shape.member, tag, item) for item in value)
    return element(shape, tag, value)


def _tag(shape: Shape, name: str) -> str:
    """The element's name of a member; a list without an element of its own may be named by its items."""
    if shape.type_name == "list" and shape.serialization.get("flattened"):
        name = shape.serialization.get("name", name)
        return str(shape.member.serialization.get("name", name))
    return str(shape.serialization.get("name", name))


def read_xml(shape: Shape, body: bytes) -> Any:
    """The value in a document; raises ServiceError MalformedXML. Elements that are unknown are refused."""
    try:
        text = body.decode("utf-8")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise ServiceError("MalformedXML", "a document type is not taken here")
        return _read(shape, ElementTree.fromstring(text))  # noqa: S314 - bounded, and without a document type
    except (ElementTree.ParseError, ValueError) as error:
        raise ServiceError("MalformedXML", f"the body is not the XML that is asked for: {error}") from error


def _read(shape: Shape, node: ElementTree.Element) -> Any:
    if shape.type_name == "structure":
        return _read_structure(shape, node)
    if shape.type_name == "list":
        return [_read(shape.member, child) for child in node]
    text = node.text or ""
    if shape.type_name in ("integer", "long"):
        return int(text)
    if shape.type_name == "boolean":
        return text.strip().lower() == "true"
    return text


def _read_structure(shape: Shape, node: ElementTree.Element) -> dict[str, Any]:
    members: Mapping[str, tuple[str, Shape]] = {
        _tag(member, name): (name, member) for name, member in shape.members.items()
    }
    value: dict[str, Any] = {}
    for child in node:
        tag = child.tag.rpartition("}")[2]
        if tag not in members:
            raise ServiceError("MalformedXML", f"{shape.name} has no {tag}; it has {', '.join(members)}")
        name, member = members[tag]
        if member.type_name == "list" and member.serialization.get("flattened"):
            value.setdefault(name, []).append(_read(member.member, child))
        else:
            value[name] = _read(member, child)
    return value
