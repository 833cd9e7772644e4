"""Requests are held to every constraint of their model, in the words of AWS."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from customlabels.errors import ServiceError
from customlabels.wire import OutputError, Services, check_output, validate

GOOD: dict[str, Any] = {"Word": "abc"}


def refusal(services: Services, params: object, *, target: str = "CustomLabelsService.Echo") -> ServiceError:
    """The error that `params` are refused with."""
    with pytest.raises(ServiceError) as caught:
        validate(services.by_target(target)[1], params)
    return caught.value


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ({"Word": None}, "Value null at 'word' failed to satisfy constraint: Member must not be null"),
        ({"Word": "a"}, "Value 'a' at 'word' {}: Member must have length greater than or equal to 2"),
        ({"Word": "abcdef"}, "Value 'abcdef' at 'word' {}: Member must have length less than or equal to 5"),
        ({"Word": "ABC"}, "Value 'ABC' at 'word' {}: Member must satisfy regular expression pattern: [a-z]+"),
        ({"Colour": "BLUE"}, "Value 'BLUE' at 'colour' {}: Member must satisfy enum value set: [GREEN, RED]"),
        ({"Secret": "no"}, "Value at 'secret' {}: Member must have length greater than or equal to 3"),
        ({"Share": 1.5}, "Value '1.5' at 'share' {}: Member must have value less than or equal to 1"),
        ({"Share": -1}, "Value '-1' at 'share' {}: Member must have value greater than or equal to 0"),
        ({"Few": 4}, "Value '4' at 'few' {}: Member must have value less than or equal to 3"),
        ({"Few": 0}, "Value '0' at 'few' {}: Member must have value greater than or equal to 1"),
        ({"Data": ""}, "Value '0 bytes' at 'data' {}: Member must have length greater than or equal to 1"),
        (
            {"Data": "QUFBQUE="},
            "Value '5 bytes' at 'data' {}: Member must have length less than or equal to 4",
        ),
        ({"Words": []}, "Value '[]' at 'words' {}: Member must have length greater than or equal to 1"),
        (
            {"Words": ["ab", "cd", "ef"]},
            "Value '[ab, cd, ef]' at 'words' {}: Member must have length less than or equal to 2",
        ),
        (
            {"Words": ["ab", "B2"]},
            "Value 'B2' at 'words.2.member' {}: Member must satisfy regular expression pattern: [a-z]+",
        ),
        ({"Words": ["ab", None]}, "Value null at 'words.2.member' {}: Member must not be null"),
        ({"Labels": {}}, "Value '{{}}' at 'labels' {}: Member must have length greater than or equal to 1"),
        (
            {"Labels": {"ab": 1, "cd": 1, "ef": 1}},
            "Value '{{ab, cd, ef}}' at 'labels' {}: Member must have length less than or equal to 2",
        ),
        (
            {"Labels": {"a": 1}},
            "Value 'a' at 'labels.key' {}: Member must have length greater than or equal to 2",
        ),
        (
            {"Labels": {"ab": 9}},
            "Value '9' at 'labels.ab.member' {}: Member must have value less than or equal to 3",
        ),
        ({"Labels": {"ab": None}}, "Value null at 'labels.ab.member' {}: Member must not be null"),
        (
            {"Choice": {"Left": "a", "Right": "b"}},
            "Value '{{Left, Right}}' at 'choice' {}: Member must have exactly one member of [Left, Right]",
        ),
        ({"Choice": {}}, "Value '{{}}' at 'choice' {}: Member must have exactly one member of [Left, Right]"),
    ],
)
def test_a_broken_constraint_is_a_validation_error(
    tiny: Services, broken: dict[str, Any], problem: str
) -> None:
    error = refusal(tiny, GOOD | broken)

    expected = problem.format("failed to satisfy constraint")
    assert (error.code, error.message) == ("ValidationException", f"1 validation error detected: {expected}")


@pytest.mark.parametrize(
    ("mistyped", "problem"),
    [
        ({"Word": 1}, "NUMBER_VALUE can not be converted to a String at 'word'"),
        ({"Word": True}, "TRUE_VALUE can not be converted to a String at 'word'"),
        ({"Few": "1"}, "STRING_VALUE can not be converted to an Integer at 'few'"),
        ({"Few": 1.5}, "NUMBER_VALUE can not be converted to an Integer at 'few'"),
        ({"Few": 2**31}, "NUMBER_VALUE can not be converted to an Integer at 'few'"),
        ({"Many": 2**63}, "NUMBER_VALUE can not be converted to a Long at 'many'"),
        ({"Share": False}, "FALSE_VALUE can not be converted to a Float at 'share'"),
        ({"Share": float("nan")}, "NUMBER_VALUE can not be converted to a Float at 'share'"),
        ({"Yes": "true"}, "STRING_VALUE can not be converted to a Boolean at 'yes'"),
        ({"Moment": "soon"}, "STRING_VALUE can not be converted to a Timestamp at 'moment'"),
        ({"Data": "####"}, "STRING_VALUE can not be converted to a Blob (base64) at 'data'"),
        ({"Data": "é"}, "STRING_VALUE can not be converted to a Blob (base64) at 'data'"),
        ({"Words": {}}, "START_OBJECT can not be converted to a List at 'words'"),
        ({"Words": [["ab"]]}, "START_ARRAY can not be converted to a String at 'words.1.member'"),
        ({"Labels": []}, "START_ARRAY can not be converted to a Map at 'labels'"),
        ({"Choice": "Left"}, "STRING_VALUE can not be converted to a Structure at 'choice'"),
    ],
)
def test_a_value_of_the_wrong_type_cannot_be_read(
    tiny: Services, mistyped: dict[str, Any], problem: str
) -> None:
    error = refusal(tiny, GOOD | mistyped)

    assert (error.code, error.message) == ("SerializationException", problem)


@pytest.mark.parametrize("params", [[], "text", 1, None])
def test_parameters_that_are_no_object_cannot_be_read(tiny: Services, params: object) -> None:
    assert refusal(tiny, params).code == "SerializationException"


def test_all_violations_are_told_in_one_pass(tiny: Services) -> None:
    error = refusal(tiny, {"Few": 9, "Words": ["A", "ab"], "Secret": ""})

    assert error.message.startswith("5 validation errors detected: Value '9' at 'few' failed to satisfy")
    assert [place for place in ("'few'", "'words.1.member'", "'secret'", "'word'") if place in error.message]
    assert error.message.count("; ") == 4


def test_a_thousand_violations_make_no_endless_text(tiny: Services) -> None:
    error = refusal(tiny, {"Words": ["A"] * 5000})

    assert error.message.startswith("10002 validation errors detected")
    assert error.message.endswith("; and 9902 more")
    assert len(error.message) < 20_000


def test_a_long_value_is_repeated_in_full_up_to_a_bound(services: Services) -> None:
    token = "x" * 3097
    params = {"stateMachineArn": "arn", "nextToken": token}

    message = refusal(services, params, target="AWSStepFunctions.ListExecutions").message
    longer = refusal(
        services, {"ProjectName": "!" * 10_000}, target="RekognitionService.CreateProject"
    ).message

    assert f"Value '{token}' at 'nextToken'" in message
    assert len(longer) < 10_000


def test_parsed_values_have_the_types_of_python(tiny: Services) -> None:
    echo = tiny["customlabels"].operation("Echo")
    given = GOOD | {"Data": "QUI=", "Moment": "1970-01-01T00:01:00Z", "Few": 2.0, "Yes": False}

    parsed = validate(echo, given)

    assert parsed == {"Word": "abc", "Data": b"AB", "Moment": 60.0, "Few": 2, "Yes": False}
    assert isinstance(parsed["Few"], int)


def test_callers_in_python_may_hand_over_bytes_and_datetimes(tiny: Services) -> None:
    echo = tiny["customlabels"].operation("Echo")
    moment = datetime(1970, 1, 1, 0, 1, tzinfo=UTC)

    parsed = validate(echo, GOOD | {"Data": b"AB", "Moment": moment})

    assert parsed == GOOD | {"Data": b"AB", "Moment": 60.0}


def test_unknown_and_null_members_are_left_out(tiny: Services) -> None:
    echo = tiny["customlabels"].operation("Echo")

    parsed = validate(echo, GOOD | {"MaxLabels": 3, "Colour": None, "Tree": {"Nope": 1}})

    assert parsed == GOOD | {"Tree": {}}


def test_a_document_may_be_anything(tiny: Services) -> None:
    echo = tiny["customlabels"].operation("Echo")
    params = GOOD | {"Anything": {"a": [1, None, {"b": "c"}]}}

    assert validate(echo, params) == params


def test_a_shape_that_contains_itself_ends_where_the_value_ends(tiny: Services) -> None:
    echo = tiny["customlabels"].operation("Echo")
    params = GOOD | {"Tree": {"Child": {"Child": {"Name": "leaf"}}}}

    assert validate(echo, params) == params


def test_a_value_nested_ten_thousand_deep_is_refused(tiny: Services) -> None:
    tree: dict[str, Any] = {}
    for _ in range(10_000):
        tree = {"Child": tree}

    error = refusal(tiny, GOOD | {"Tree": tree})

    assert (error.code, error.message) == ("SerializationException", "the request is nested too deeply")


def test_an_operation_without_input_takes_any_object(tiny: Services) -> None:
    assert validate(tiny["customlabels"].operation("Ping"), {"a": 1}) == {}


def test_an_image_over_the_limit_of_its_blob_is_refused(services: Services) -> None:
    arn = "arn:aws:rekognition:us-east-1:123456789012:project/p/version/v/1"
    image = base64.b64encode(bytes(5_242_881)).decode()

    error = refusal(
        services,
        {"ProjectVersionArn": arn, "Image": {"Bytes": image}},
        target="RekognitionService.DetectCustomLabels",
    )

    assert "Value '5242881 bytes' at 'image.bytes'" in error.message


def test_a_correct_answer_passes_its_check(tiny: Services) -> None:
    echo = tiny["customlabels"].operation("Echo")

    check_output(echo, GOOD | {"Data": b"AB", "Moment": 1.0, "Colour": None, "Words": ("ab",)})
    check_output(tiny["customlabels"].operation("Ping"), {})


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ({"Word": None}, "Value null at 'word'"),
        ({"Word": "ABC"}, "Member must satisfy regular expression pattern"),
        ({"Colour": "BLUE"}, "Member must satisfy enum value set"),
        ({"Few": 9}, "Member must have value less than or equal to 3"),
        ({"Few": "1"}, "STRING_VALUE can not be converted to an Integer"),
        ({"Nope": 1}, "Everything has no member Nope"),
        ({"Moment": "1970-01-01T00:00:00Z"}, "must be real number"),
        ({"Data": "QUI="}, "bytes-like object is required"),
    ],
)
def test_an_answer_against_its_model_is_an_error_of_ours(
    tiny: Services, broken: dict[str, Any], problem: str
) -> None:
    with pytest.raises(OutputError, match=problem):
        check_output(tiny["customlabels"].operation("Echo"), GOOD | broken)
