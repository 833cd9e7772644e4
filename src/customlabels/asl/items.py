"""The items of a distributed Map, out of what its ItemReader got: JSON, JSON Lines, CSV. Pure.

What cannot be read raises Failure of the name States.ItemReaderFailed, in the service's words where they are
known.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from customlabels.asl.documents import Json, read_json
from customlabels.asl.failures import Failure
from customlabels.asl.machines import MOST_ITEMS
from customlabels.errors import InvalidInput

DELIMITERS = {"COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "SPACE": " ", "TAB": "\t"}

BOM = b"\xef\xbb\xbf"

Lines = Iterable[bytes]  # without their ends


def items_of(lines: Lines, config: Json, most: int | None) -> Iterator[Json]:
    """The items in the lines of an object, at most so many (0 or None: all); config: the plan's."""
    if most is not None and most < 0:
        raise reader_failed("field MaxItems must be positive")
    return islice(READERS[config["InputType"]](lines, config), most or MOST_ITEMS)


def reader_failed(cause: str) -> Failure:
    """States.ItemReaderFailed."""
    return Failure("States.ItemReaderFailed", cause)


def _json(lines: Lines, _config: Json) -> Iterator[Json]:
    value = _value(b"\n".join(lines))
    if not isinstance(value, list):
        raise reader_failed("Attempting to map over non-iterable node.")
    return iter(value)


def _json_lines(lines: Lines, _config: Json) -> Iterator[Json]:
    return (_value(line) for line in lines if line.strip())


def _value(text: bytes) -> Json:
    try:
        return read_json(text.decode("utf-8-sig"))
    except (InvalidInput, UnicodeDecodeError) as error:
        raise reader_failed(f"The object is not valid JSON: {error}") from None


def _csv(lines: Lines, config: Json) -> Iterator[Json]:
    rows = _rows(lines, DELIMITERS[config["CSVDelimiter"] or "COMMA"])
    headers = config["CSVHeaders"] if config["CSVHeaderLocation"] == "GIVEN" else next(rows, [])
    if len(set(headers)) < len(headers):
        raise reader_failed("CSV headers cannot contain duplicates.")
    order = sorted(range(len(headers)), key=_java_place(headers))
    for row in rows:
        yield {headers[at]: row[at] if at < len(row) else "" for at in order}


def _rows(lines: Lines, delimiter: str) -> Iterator[list[str]]:
    texts = (line.removeprefix(BOM).decode() + "\n" for line in lines)
    try:
        yield from (row for row in csv.reader(texts, delimiter=delimiter) if row)
    except (csv.Error, UnicodeDecodeError) as error:
        raise reader_failed(f"The object is not valid CSV: {error}") from None


def _java_place(names: list[str]) -> Callable[[int], int]:
    """Where the service's hash table has each name: the order in which its items show their fields."""
    size = 16
    while len(names) > size * 3 // 4:
        size *= 2

    def place(at: int) -> int:
        code = 0
        units = names[at].encode("utf-16-be")
        for unit in range(0, len(units), 2):
            code = (code * 31 + int.from_bytes(units[unit : unit + 2])) & 0xFFFFFFFF
        return (code ^ (code >> 16)) & (size - 1)

    return place


READERS: dict[str, Callable[[Lines, Json], Iterator[Json]]] = {
    "JSON": _json,
    "JSONL": _json_lines,
    "CSV": _csv,
}


def inventory(manifest: Json) -> tuple[list[str], Json]:
    """The keys of the files that an S3 inventory's manifest names, and the config to read them with."""
    try:
        headers = [name.strip() for name in manifest["fileSchema"].split(",")]
        keys = [file["key"] for file in manifest["files"]]
    except (KeyError, TypeError, AttributeError):
        raise reader_failed("The object is no manifest of an S3 inventory in CSV.") from None
    given = {"CSVHeaderLocation": "GIVEN", "CSVHeaders": headers, "CSVDelimiter": "COMMA"}
    return keys, {"InputType": "CSV", **given}
