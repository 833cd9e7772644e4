"""Values for the shapes of a model: right ones by hypothesis, and each with one constraint broken."""

import base64
from collections.abc import Iterator
from typing import Any

from botocore.model import Shape
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from customlabels.wire.patterns import compiled

SCALARS: dict[str, SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "timestamp": st.floats(0, 4e9),
}
NARROWER = {r"\p{L}": "a-zé", r"\p{Z}": " ", r"\p{N}": "0-9"}
UNBOUNDED = {"integer": 2**31 - 1, "long": 2**63 - 1}


def values(shape: Shape, outer: tuple[str, ...] = ()) -> SearchStrategy[Any]:
    """JSON values that `shape` allows, with all members; one that contains itself ends after one turn."""
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    inside = (*outer, shape.name)
    match shape.type_name:
        case "structure":
            members = {name: member for name, member in shape.members.items() if member.name not in inside}
            kept = dict(list(members.items())[:1]) if shape.is_tagged_union else members
            return st.fixed_dictionaries({name: values(member, inside) for name, member in kept.items()})
        case "list":
            return st.lists(values(shape.member, inside), min_size=least or 0, max_size=max(least or 0, 1))
        case "map":
            pair = values(shape.key), values(shape.value, inside)
            return st.dictionaries(*pair, min_size=least or 0, max_size=max(least or 0, 1))
        case "string":
            return texts(shape)
        case "blob":
            return st.binary(min_size=least or 0, max_size=8).map(
                lambda data: base64.b64encode(data).decode()
            )
        case "integer" | "long":
            bound = UNBOUNDED[shape.type_name]
            return st.integers(-bound if least is None else least, bound if most is None else most)
        case "float" | "double":
            return st.floats(-1e9 if least is None else least, 1e9 if most is None else most)
    return SCALARS[shape.type_name]


def texts(shape: Shape) -> SearchStrategy[str]:
    """Strings that a string shape allows."""
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", 10**6)
    if shape.metadata.get("enum"):
        return st.sampled_from(shape.metadata["enum"])
    if "pattern" in shape.metadata:
        pattern = shape.metadata["pattern"]
        for wide, narrow in NARROWER.items():  # hypothesis takes seconds for the whole of Unicode
            pattern = pattern.replace(wide, narrow)
        latin = st.characters(max_codepoint=255)
        matching = st.from_regex(compiled(pattern), fullmatch=True, alphabet=latin)
        return matching.filter(lambda text: least <= len(text) <= most)
    return st.text(st.characters(exclude_categories=["Cs"]), min_size=least, max_size=min(most, least + 10))


def breaches(shape: Shape, value: Any) -> Iterator[tuple[str, Any]]:
    """Copies of `value` with one constraint broken each, and the path at which a refusal must name it."""
    if shape.type_name == "structure":
        for name, item in value.items():
            camel = name[0].lower() + name[1:]
            yield from (
                (f"{camel}{path}" if path[:1] in (".", "") else f"{camel}.{path}", value | {name: broken})
                for path, broken in breaches(shape.members[name], item)
            )
            if name in shape.required_members:
                yield camel, {other: kept for other, kept in value.items() if other != name}
    elif shape.type_name == "list" and value:
        for path, broken in breaches(shape.member, value[0]):
            where = f".1.member{path}" if path[:1] in (".", "") else f".1.member.{path}"
            yield where, [broken, *value[1:]]
    yield from (("", broken) for broken in scalar_breaches(shape, value))


def scalar_breaches(shape: Shape, value: Any) -> Iterator[Any]:
    """What `shape` itself refuses: another type, too little, too much, another text."""
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    yield 1 if shape.type_name in ("string", "blob", "boolean", "list", "map", "structure") else "text"
    match shape.type_name:
        case "integer" | "long" | "float" | "double":
            yield from ([] if least is None else [least - 1]) + ([] if most is None else [most + 1])
        case "string":
            yield from ("x" * size for size in ([least - 1] if least else []) + ([most + 1] if most else []))
            if "pattern" in shape.metadata or shape.metadata.get("enum"):
                outside = ("\N{SNOWMAN} \n" * 100)[: max(least or 0, 2)]
                yield from (text for text in (outside,) if not matches(shape, text))
        case "blob":
            yield "not base64"
            yield from ("" for _ in range(1 if least else 0))
        case "list" if most and value:
            yield value * (most + 1)
        case "list" | "map" if least:
            yield type(value)()


def matches(shape: Shape, text: str) -> bool:
    """Whether the pattern of `shape` lets `text` through."""
    pattern = shape.metadata.get("pattern")
    return bool(pattern and compiled(pattern).fullmatch(text))
