"""Answers leave as the JSON that clients of AWS expect."""

import base64
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from customlabels.errors import ServiceError
from customlabels.wire import OutputError, Services, serialise
from customlabels.wire.serialising import parse_body, serialise_error


def echoed(services: Services, result: dict[str, Any] | None) -> bytes:
    """What the client of the tiny service reads."""
    return serialise(services["customlabels"].operation("Echo"), result)


@pytest.mark.parametrize("moment", [1690476084.7381, datetime.fromtimestamp(1690476084.7381, UTC)])
def test_a_time_is_a_number_with_milliseconds(tiny: Services, moment: object) -> None:
    assert echoed(tiny, {"Moment": moment}) == b'{"Moment":1690476084.738}'


def test_a_time_without_zone_is_utc(tiny: Services) -> None:
    naive = datetime.fromtimestamp(60, UTC).replace(tzinfo=None)

    assert echoed(tiny, {"Moment": naive}) == b'{"Moment":60.0}'


def test_blobs_are_base64_and_absent_members_are_absent(tiny: Services) -> None:
    written = echoed(tiny, {"Data": b"AB", "Colour": None, "Tree": {"Name": None}, "Words": ("ab",)})

    assert written == b'{"Data":"QUI=","Tree":{},"Words":["ab"]}'


@pytest.mark.parametrize("result", [None, {}])
def test_an_empty_answer_is_an_empty_object(tiny: Services, result: dict[str, Any] | None) -> None:
    assert echoed(tiny, result) == b"{}"
    assert serialise(tiny["customlabels"].operation("Ping"), result) == b"{}"


@pytest.mark.parametrize(
    "wrong",
    [
        {"Nope": 1},
        {"Tree": {"Nope": 1}},
        {"Tree": "leaf"},
        {"Words": "ab"},
        {"Words": ["ab", None]},
        {"Share": float("nan")},
        {"Moment": float("inf")},
        {"Moment": "1970-01-01"},
        {"Data": "QUI="},
        {"Word": "\ud800"},
        {"Word": object()},
    ],
)
def test_what_the_model_cannot_carry_is_an_error_of_ours(tiny: Services, wrong: dict[str, Any]) -> None:
    with pytest.raises(OutputError):
        echoed(tiny, wrong)


def test_a_result_for_an_operation_without_output_is_an_error(tiny: Services) -> None:
    with pytest.raises(OutputError, match="Ping has no output"):
        serialise(tiny["customlabels"].operation("Ping"), {"Word": "abc"})


def test_an_error_has_its_code_and_its_message() -> None:
    body = orjson.loads(serialise_error("ResourceNotFoundException", "no file caf\udce9"))

    assert body["__type"] == body["Code"] == "ResourceNotFoundException"
    assert body["message"] == body["Message"] == "no file caf?"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'"text"',
        b"{",
        b'{"a": NaN}',
        b'{"a": "\\ud800"}',
        b'{"a": 1e999}',
        b"\xff\xfe",
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    ],
)
def test_a_body_that_is_no_json_object_cannot_be_read(body: bytes) -> None:
    with pytest.raises(ServiceError) as refusal:
        parse_body(body)

    assert refusal.value.code == "SerializationException"


@pytest.mark.parametrize(
    "text",
    [
        '{"ProjectVersionArn": "a", "Image": {"Bytes": "%s"}, "MinConfidence": 5}',
        '{"Image" : { "Bytes"\n:\t"%s" } }',
        '{"ProjectVersionArn": "\\"Bytes\\": \\"QUJD\\"", "Image": {"Bytes": "%s"}}',
        '{"Bytes": "QUJD", "Image": {"Bytes": "%s"}}',
        '{"Image": {"Bytes": "QUJD", "Bytes": "%s"}}',
        '{"Image": {"Bytes": "%s", "Bytes": "QUJD"}}',
        '{"Image": {"Bytes": 5, "x": "%s"}}',
        '{"Image": {"Bytes": "\\u0041%s"}}',
        '{"Image": {"Bytes": "?%s"}}',
        '{"Image": ["Bytes", "%s"]}',
    ],
)
def test_a_large_image_is_read_as_any_reader_of_json_would(text: str) -> None:
    body = (text % base64.b64encode(bytes(90_000)).decode()).encode()

    read = parse_body(body, "DetectCustomLabels")

    if isinstance(image := read["Image"], dict) and isinstance(image["Bytes"], bytes):
        image["Bytes"] = base64.b64encode(image["Bytes"]).decode()
    assert read == orjson.loads(body)


def test_a_large_image_comes_decoded() -> None:
    body = orjson.dumps({"Image": {"Bytes": base64.b64encode(bytes(90_000)).decode()}})

    assert parse_body(body, "DetectCustomLabels") == {"Image": {"Bytes": bytes(90_000)}}
