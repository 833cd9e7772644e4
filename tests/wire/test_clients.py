"""Real boto3 clients against a real server on a free port."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
import uvicorn
from botocore.config import Config
from botocore.exceptions import ClientError

from customlabels.errors import ServiceError
from customlabels.wire import Invocation, Key, Limits, Services, Signatures, WireApp

ARN = "arn:aws:rekognition:eu-west-1:111122223333:project/p/version/v/1"
CREATED = 1690476084.738


async def dispatch(invocation: Invocation) -> dict[str, Any]:
    """A few operations, enough to see values of every kind arrive."""
    caller, params = invocation.caller, invocation.params
    match invocation.operation:
        case "CreateProject":
            prefix = f"arn:aws:rekognition:{caller.region}:{caller.account}:project"
            return {"ProjectArn": f"{prefix}/{params['ProjectName']}/1690476084738"}
        case "DescribeProjects":
            return {
                "ProjectDescriptions": [{"CreationTimestamp": CREATED, "Datasets": []}],
                "NextToken": None,
            }
        case "DetectCustomLabels":
            confidence = float(len(params["Image"]["Bytes"])) / 100
            return {
                "CustomLabels": [{"Name": params["Image"]["Bytes"][:3].decode(), "Confidence": confidence}]
            }
        case "StartSyncExecution":
            return {
                "executionArn": "arn",
                "startDate": CREATED,
                "stopDate": CREATED,
                "status": "SUCCEEDED",
                "output": params["input"],
            }
        case "DescribeExecution":
            raise ServiceError("ExecutionDoesNotExist", "Execution Does Not Exist: 'arn'")
    raise RuntimeError("a bug")


@pytest.fixture(scope="module")
def server(services: Services) -> Iterator[str]:
    """The address of a server that knows one access key."""
    app = WireApp(
        services,
        dispatch,
        Signatures({"AKID": Key("secret", "111122223333")}),
        limits=Limits(body_bytes=6 * 2**20),
        check_outputs=True,
    )
    listening = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
    thread.start()
    while not running.started:
        time.sleep(0.01)
    yield f"127.0.0.1:{listening.getsockname()[1]}"
    running.should_exit = True
    thread.join()
    listening.close()


def client(service: str, server: str, **credentials: str) -> Any:
    """A boto3 client that lets broken parameters through."""
    given = {"aws_access_key_id": "AKID", "aws_secret_access_key": "secret"} | credentials
    config = Config(parameter_validation=False, inject_host_prefix=False, retries={"total_max_attempts": 1})
    return boto3.client(
        service, region_name="eu-west-1", endpoint_url=f"http://{server}", config=config, **given
    )


def refused(operation: Any, **params: Any) -> tuple[str, int, str]:
    """Code, status and message of a refused call."""
    with pytest.raises(ClientError) as caught:
        operation(**params)
    response = caught.value.response
    error = response["Error"]
    return error["Code"], response["ResponseMetadata"]["HTTPStatusCode"], error["Message"]


def test_boto3_creates_and_describes_projects(server: str) -> None:
    rekognition = client("rekognition", server)

    created = rekognition.create_project(ProjectName="logos", Tags={"Größe": "2 m"})
    described = rekognition.describe_projects()

    assert created["ProjectArn"] == "arn:aws:rekognition:eu-west-1:111122223333:project/logos/1690476084738"
    assert len(created["ResponseMetadata"]["RequestId"]) == 36
    seen = described["ProjectDescriptions"][0]["CreationTimestamp"].astimezone(UTC)
    assert seen == datetime.fromtimestamp(CREATED, UTC)
    assert "NextToken" not in described


def test_boto3_sends_an_image_of_megabytes(server: str) -> None:
    image = b"cat" + bytes(4 * 2**20)

    answer = client("rekognition", server).detect_custom_labels(
        ProjectVersionArn=ARN, Image={"Bytes": image[:5000]}
    )
    too_large = refused(
        client("rekognition", server).detect_custom_labels,
        ProjectVersionArn=ARN,
        Image={"Bytes": image + image},
    )

    assert answer["CustomLabels"] == [{"Name": "cat", "Confidence": 50.0}]
    assert too_large[:2] == ("RequestEntityTooLargeException", 413)


def test_boto3_runs_an_express_machine(server: str) -> None:
    answer = client("stepfunctions", server).start_sync_execution(stateMachineArn="arn", input='{"a":1}')

    assert (answer["status"], answer["output"]) == ("SUCCEEDED", '{"a":1}')


def test_boto3_raises_the_modelled_exception(server: str) -> None:
    states = client("stepfunctions", server)

    with pytest.raises(states.exceptions.ExecutionDoesNotExist, match="Execution Does Not Exist: 'arn'"):
        states.describe_execution(executionArn="arn")


def test_the_server_checks_what_the_client_does_not(server: str) -> None:
    rekognition = client("rekognition", server)

    missing = refused(rekognition.create_project)
    pattern = refused(rekognition.create_project, ProjectName="a b")
    number = refused(client("stepfunctions", server).list_activities, maxResults=1001)

    at = "1 validation error detected: Value {} failed to satisfy constraint: Member must {}"
    assert missing == ("ValidationException", 400, at.format("null at 'projectName'", "not be null"))
    assert pattern[2].startswith(
        "1 validation error detected: Value 'a b' at 'projectName' failed to satisfy"
    )
    assert number[2] == at.format("'1001' at 'maxResults'", "have value less than or equal to 1000")


@pytest.mark.parametrize(
    ("credentials", "code"),
    [
        ({"aws_secret_access_key": "wrong"}, "InvalidSignatureException"),
        ({"aws_access_key_id": "AKIDNOBODY"}, "UnrecognizedClientException"),
    ],
)
def test_a_client_with_wrong_credentials_is_refused(
    server: str, credentials: dict[str, str], code: str
) -> None:
    assert refused(client("rekognition", server, **credentials).describe_projects)[:2] == (code, 400)


def test_a_client_with_a_session_token_is_accepted(server: str) -> None:
    assert client("rekognition", server, aws_session_token="token").describe_projects()


def test_a_bug_in_a_handler_is_a_500_of_the_service(server: str) -> None:
    code, status, message = refused(
        client("rekognition", server).delete_project_version, ProjectVersionArn=ARN
    )

    assert (code, status) == ("InternalServerError", 500)
    assert "bug" not in message


def test_what_is_no_api_call_is_not_found(server: str) -> None:
    connection = http.client.HTTPConnection(server)
    connection.request("GET", "/")

    assert connection.getresponse().status == 404
    connection.close()


def test_a_refused_connection_does_not_hold_up_the_next(server: str) -> None:
    connection = http.client.HTTPConnection(server)
    connection.request("POST", "/", body=bytes(100_000), headers={"X-Amz-Target": "Nobody.Nothing"})

    answer = connection.getresponse()

    assert (answer.status, answer.headers["x-amzn-errortype"]) == (400, "UnknownOperationException")
    connection.close()
    assert client("rekognition", server).describe_projects()
