"""The ASGI application: what it accepts, how it refuses, and what it does when things break."""

import asyncio
import logging
from typing import Any

import pytest
from tests.wire.asgi import Answer, app_of, call, posted, scope_of

from customlabels.errors import ServiceError
from customlabels.wire import Caller, Invocation, Key, Limits, Services, Signatures


def raising(error: Exception) -> Any:
    """A dispatch that fails."""

    async def dispatch(invocation: Invocation) -> dict[str, Any]:
        raise error

    return dispatch


def test_a_call_is_dispatched_and_answered(tiny: Services) -> None:
    seen: list[Invocation] = []

    async def dispatch(invocation: Invocation) -> dict[str, Any]:
        seen.append(invocation)
        return {"Word": "xyz", "Moment": 1.0}

    answer = call(app_of(tiny, dispatch=dispatch), scope_of(), posted(b'{"Word":', b'"abc"}'))

    assert (answer.status, answer.json) == (200, {"Word": "xyz", "Moment": 1.0})
    assert answer.headers == {
        "content-type": "application/x-amz-json-1.1",
        "content-length": str(len(answer.body)),
        "x-amzn-requestid": "id-1",
    }
    caller = Caller("000000000000", "us-east-1")
    assert seen == [Invocation("customlabels", "Echo", {"Word": "abc"}, caller, "id-1")]


def test_a_handler_may_answer_nothing(tiny: Services) -> None:
    async def dispatch(invocation: Invocation) -> None:
        return None

    answer = call(app_of(tiny, dispatch=dispatch), scope_of("CustomLabelsService.Ping"), posted(b"{}"))

    assert (answer.status, answer.body) == (200, b"{}")


@pytest.mark.parametrize(
    ("target", "body", "code"),
    [
        ("CustomLabelsService.Nope", b"{}", "UnknownOperationException"),
        ("Nobody.Echo", b"{}", "UnknownOperationException"),
        ("CustomLabelsService.Echo", b"[]", "SerializationException"),
        ("CustomLabelsService.Echo", b"[" * 10_000, "SerializationException"),
        ("CustomLabelsService.Echo", b"{}", "ValidationException"),
    ],
)
def test_a_refusal_names_its_code_in_body_and_header(
    tiny: Services, target: str, body: bytes, code: str
) -> None:
    answer = call(app_of(tiny), scope_of(target), posted(body))

    assert (answer.status, answer.json["__type"], answer.headers["x-amzn-errortype"]) == (400, code, code)
    assert answer.headers["x-amzn-requestid"] == "id-1"
    assert answer.json["message"]


@pytest.mark.parametrize(("code", "status"), [("Gone", 410), ("InternalServerError", 500), ("Else", 400)])
def test_an_error_of_a_handler_has_the_status_of_its_model(tiny: Services, code: str, status: int) -> None:
    app = app_of(tiny, dispatch=raising(ServiceError(code, "it is gone")))

    answer = call(app, scope_of(), posted(b'{"Word":"abc"}'))

    told = {"__type": code, "Code": code, "Message": "it is gone", "message": "it is gone"}
    assert (answer.status, answer.json) == (status, told)


def test_an_unexpected_error_is_logged_and_not_shown(
    tiny: Services, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_of(tiny, dispatch=raising(KeyError("/secret/path")))

    with caplog.at_level(logging.ERROR, "customlabels"):
        answer = call(app, scope_of(), posted(b'{"Word":"abc"}'))

    assert (answer.status, answer.json["__type"]) == (500, "InternalServerError")
    assert "id-1" in answer.json["message"]
    assert b"secret" not in answer.body
    assert "id-1" in caplog.text
    assert "Traceback" in caplog.text


def test_step_functions_says_internal_failure_in_json_1_0(tiny: Services) -> None:
    app = app_of(tiny, dispatch=raising(RuntimeError("broken")))

    answer = call(app, scope_of("AWSStepFunctions.ListActivities"), posted(b"{}"))

    assert (answer.status, answer.json["__type"]) == (500, "InternalFailure")
    assert answer.headers["content-type"] == "application/x-amz-json-1.0"


def test_an_answer_against_its_model_fails_where_outputs_are_checked(tiny: Services) -> None:
    async def dispatch(invocation: Invocation) -> dict[str, Any]:
        return {"Word": "NOT LOWER"}

    unchecked = call(app_of(tiny, dispatch=dispatch), scope_of(), posted(b'{"Word":"abc"}'))
    checked = call(app_of(tiny, dispatch=dispatch, check_outputs=True), scope_of(), posted(b'{"Word":"abc"}'))

    assert (unchecked.status, checked.status) == (200, 500)


def test_a_request_without_signature_is_refused_where_keys_are_set(tiny: Services) -> None:
    app = app_of(tiny, signatures=Signatures({"AKID": Key("secret", "111122223333")}))

    answer = call(app, scope_of(), posted(b'{"Word":"abc"}'))

    assert (answer.status, answer.json["__type"]) == (400, "MissingAuthenticationTokenException")


def test_an_announced_body_far_over_the_limit_is_refused_unread(tiny: Services) -> None:
    app = app_of(tiny, limits=Limits(body_bytes=10))

    answer = call(app, scope_of(length=21), [])

    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert answer.json["__type"] == "RequestEntityTooLargeException"


def test_a_body_little_over_the_limit_is_read_to_its_end_and_refused(tiny: Services) -> None:
    messages = iter(posted(b"123456", b"123456", b"1"))

    answer = call(app_of(tiny, limits=Limits(body_bytes=10)), scope_of(length=13), messages)

    assert (answer.status, list(messages)) == (413, [])


def test_an_endless_body_is_refused_soon_after_it_passes_the_limit(tiny: Services) -> None:
    app = app_of(tiny, limits=Limits(body_bytes=10))
    endless = ({"type": "http.request", "body": b"123456", "more_body": True} for _ in iter(int, 1))

    assert call(app, scope_of(), endless).status == 413


def test_a_body_of_exactly_the_limit_is_read(tiny: Services) -> None:
    body = b'{"Word":"abc"}'

    assert call(app_of(tiny, limits=Limits(body_bytes=len(body))), scope_of(), posted(body)).status == 200


@pytest.mark.parametrize("length", ["-1", "many"])
def test_a_length_that_is_no_number_is_refused(tiny: Services, length: Any) -> None:
    assert call(app_of(tiny), scope_of(length=length), posted(b"{}")).status == 413


def test_a_body_that_never_ends_times_out(tiny: Services) -> None:
    app = app_of(tiny, limits=Limits(receive_seconds=0.05))

    answer = call(app, scope_of(), [{"type": "http.request", "body": b"{", "more_body": True}])

    assert (answer.status, answer.json["__type"]) == (408, "RequestTimeoutException")


def test_limits_are_above_zero() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Limits(body_bytes=0)


def test_a_client_that_leaves_while_sending_is_not_dispatched(tiny: Services) -> None:
    app = app_of(tiny, dispatch=raising(AssertionError("dispatched")))
    half = {"type": "http.request", "body": b'{"Word"', "more_body": True}

    answer = call(app, scope_of(), [half, {"type": "http.disconnect"}])

    assert answer == Answer(0, {}, b"")


def test_a_client_that_leaves_before_its_answer_disturbs_nobody(tiny: Services) -> None:
    done: list[str] = []

    async def dispatch(invocation: Invocation) -> dict[str, Any]:
        done.append(invocation.operation)
        return invocation.params

    async def receive() -> dict[str, Any]:
        return posted(b'{"Word":"abc"}')[0]

    async def send(message: Any) -> None:
        raise ConnectionResetError

    asyncio.run(app_of(tiny, dispatch=dispatch)(scope_of(), receive, send))

    assert done == ["Echo"]


@pytest.mark.parametrize(
    "scope",
    [
        scope_of(method="GET"),
        scope_of(path="/console"),
        scope_of(target=""),
        {"type": "websocket", "path": "/", "headers": []},
    ],
    ids=["get", "path", "no target", "websocket"],
)
def test_what_is_no_api_call_goes_to_the_fallback(tiny: Services, scope: Any) -> None:
    async def fallback(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 299, "headers": []})

    assert call(app_of(tiny, fallback=fallback), scope, []).status == 299


def test_without_fallback_there_is_nothing_else(tiny: Services) -> None:
    page = call(app_of(tiny), scope_of(method="GET"), [])
    socket = call(app_of(tiny), {"type": "websocket", "path": "/", "headers": []}, [])

    assert (page.status, page.body) == (404, b"Not Found\n")
    assert socket.status == 0
