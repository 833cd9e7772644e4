"""Tasks on services elsewhere, with an emulator of AWS as the endpoint."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from tests.emulator import emulated_aws
from tests.operations.world import ACCOUNT, REGION, SERVICES, World

from customlabels.operations import Remote, ServiceTasks
from customlabels.operations.remote import client_name
from customlabels.workflows import Submitted, TaskFailure, TaskRequest

EXECUTION = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:m:e"
ITEM = {"id": {"S": "1"}, "data": {"S": "x"}}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The address of the emulator."""
    with emulated_aws() as url:
        yield url


@pytest.fixture
def linked(world: World, endpoint: str) -> World:
    """A world that knows where the other services are."""
    names = ("SQS", "SNS", "DYNAMODB", "EVENTBRIDGE", "SECRETS_MANAGER", "S3")
    world.tasks = ServiceTasks(world.dispatcher, SERVICES, {}, Remote(dict.fromkeys(names, endpoint)))
    return world


def client(endpoint: str, service: str) -> Any:
    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s"}
    return boto3.client(service, endpoint_url=endpoint, region_name=REGION, **keys)


def run(world: World, resource: str, parameters: Any) -> Any:
    request = TaskRequest(
        f"arn:aws:states:::{resource}", parameters, "t" * 64, ACCOUNT, REGION, None, EXECUTION
    )
    return world.tasks.run(request)


def failure(world: World, resource: str, parameters: Any) -> TaskFailure:
    with pytest.raises(TaskFailure) as failed:
        run(world, resource, parameters)
    return failed.value


def without_metadata(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if not name.startswith("Sdk")}


@pytest.fixture
def table(endpoint: str) -> Iterator[str]:
    tables = client(endpoint, "dynamodb")
    tables.create_table(
        TableName="t",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    yield "t"
    tables.delete_table(TableName="t")


def test_items_are_put_read_and_queried(linked: World, table: str) -> None:
    put = run(linked, "dynamodb:putItem", {"TableName": table, "Item": ITEM})
    got = run(linked, "dynamodb:getItem", {"TableName": table, "Key": {"id": {"S": "1"}}})
    query = {
        "TableName": table,
        "KeyConditionExpression": "id = :i",
        "ExpressionAttributeValues": {":i": {"S": "1"}},
    }
    found = run(linked, "aws-sdk:dynamodb:query", query)

    assert put["SdkHttpMetadata"]["HttpHeaders"]["Content-Length"] == "2"
    assert without_metadata(got) == {"Item": ITEM}
    assert found["Items"] == [ITEM]


def test_a_message_may_be_any_value_and_its_token_is_waited_for(linked: World, endpoint: str) -> None:
    queues = client(endpoint, "sqs")
    url = queues.create_queue(QueueName="q")["QueueUrl"]

    sent = run(linked, "sqs:sendMessage.waitForTaskToken", {"QueueUrl": url, "MessageBody": {"a": [1]}})

    assert isinstance(sent, Submitted)
    assert sent.output["SdkHttpMetadata"]["HttpHeaders"]["Content-Length"] == "106"
    (message,) = queues.receive_message(QueueUrl=url)["Messages"]
    assert message["Body"] == '{"a":[1]}'


def test_a_topic_is_published_to(linked: World, endpoint: str) -> None:
    topic = client(endpoint, "sns").create_topic(Name="news")["TopicArn"]

    told = run(linked, "sns:publish", {"TopicArn": topic, "Message": {"a": 1}})

    assert told["SdkHttpMetadata"]["HttpHeaders"]["Content-Length"] == "294"
    assert told["MessageId"]


def test_an_event_says_which_execution_it_comes_from(linked: World, endpoint: str) -> None:
    events, queues = client(endpoint, "events"), client(endpoint, "sqs")
    url = queues.create_queue(QueueName="heard")["QueueUrl"]
    queue = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="all", EventPattern='{"source": ["here"]}')
    events.put_targets(Rule="all", Targets=[{"Id": "1", "Arn": queue}])

    entry = {"Source": "here", "DetailType": "t", "Detail": {"a": 1}, "Resources": ["mine"]}
    put = run(linked, "events:putEvents", {"Entries": [entry]})

    assert put["FailedEntryCount"] == 0
    (message,) = queues.receive_message(QueueUrl=url)["Messages"]
    machine = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:m"
    assert json.loads(message["Body"])["resources"] == ["mine", machine, EXECUTION]


def test_an_entry_that_is_refused_fails_the_task(linked: World) -> None:
    failed = failure(linked, "events:putEvents", {"Entries": [{"DetailType": "t", "Detail": {}}]})

    assert failed.error == "EventBridge.FailedEntry"
    assert json.loads(failed.cause)["FailedEntryCount"] == 1


def test_buckets_that_are_not_ours_are_asked_where_s3_is(linked: World, endpoint: str) -> None:
    client(endpoint, "s3").create_bucket(
        Bucket="far", CreateBucketConfiguration={"LocationConstraint": REGION}
    )

    run(linked, "aws-sdk:s3:putObject", {"Bucket": "far", "Key": "k", "Body": {"a": 1}})
    got = run(linked, "aws-sdk:s3:getObject", {"Bucket": "far", "Key": "k"})
    failed = failure(linked, "aws-sdk:s3:getObject", {"Bucket": "far", "Key": "none"})

    assert (got["Body"], got["ContentType"]) == ('{"a":1}', "text/plain; charset=UTF-8")
    assert failed.error == "S3.NoSuchKeyException"
    assert failed.cause.startswith(
        "The specified key does not exist. (Service: S3, Status Code: 404, Request ID: "
    )
    assert "Extended Request ID: " in failed.cause


@pytest.mark.parametrize(
    ("resource", "parameters", "error", "cause"),
    [
        (
            "dynamodb:putItem",
            {"TableName": "none", "Item": ITEM},
            "DynamoDB.ResourceNotFoundException",
            "(Service: AmazonDynamoDBv2; Status Code: 400; Error Code: ResourceNotFoundException; ",
        ),
        (
            "aws-sdk:dynamodb:putItem",
            {"TableName": "none", "Item": None},
            "DynamoDb.DynamoDbException",
            "Value null at 'item' failed to satisfy constraint: Member must not be null (Service: DynamoDb, ",
        ),
        (
            "sqs:sendMessage",
            {"QueueUrl": "http://sqs.example/1/q", "MessageBody": None},
            "SQS.AmazonSQSException",
            "The request must contain the parameter MessageBody. (Service: AmazonSQS; Status Code: 400; ",
        ),
        (
            "sqs:sendMessage",
            {"QueueUrl": "http://no-such-queue", "MessageBody": "m"},
            "SQS.SdkClientException",
            "Unable to execute HTTP request: no-such-queue: Name or service not known",
        ),
        (
            "aws-sdk:secretsmanager:getSecretValue",
            {"SecretId": "none"},
            "SecretsManager.ResourceNotFoundException",
            "(Service: SecretsManager, Status Code: 4",
        ),
    ],
)
def test_refusals_are_told_in_the_words_of_the_way_that_was_taken(
    linked: World, resource: str, parameters: Any, error: str, cause: str
) -> None:
    failed = failure(linked, resource, parameters)

    assert failed.error == error
    assert cause in failed.cause


def test_a_service_that_does_not_answer_is_the_clients_error(world: World) -> None:
    nobody = Remote({"SQS": "http://127.0.0.1:9"})
    world.tasks = ServiceTasks(world.dispatcher, SERVICES, {}, nobody)

    assert (
        failure(world, "sqs:sendMessage", {"QueueUrl": "q", "MessageBody": "m"}).error
        == "SQS.SdkClientException"
    )


def test_a_service_without_an_endpoint_is_never_called(world: World) -> None:
    failed = failure(world, "sns:publish", {"TopicArn": "arn", "Message": "m"})

    assert failed.error == "States.Runtime"
    assert "AWS_ENDPOINT_URL_SNS" in failed.cause


@pytest.mark.parametrize(
    ("sdk", "name"),
    [
        ("eventbridge", "events"),
        ("cloudwatchlogs", "logs"),
        ("secretsmanager", "secretsmanager"),
        ("sfn", "stepfunctions"),
        ("cognitoidentityprovider", "cognito-idp"),
        ("nosuchservice", None),
    ],
)
def test_services_are_found_by_the_sdks_name(sdk: str, name: str | None) -> None:
    assert client_name(sdk) == name


class Lambda(BaseHTTPRequestHandler):
    """A function host: answers `echo` with its event; everything else raises."""

    def do_POST(self) -> None:
        event = self.rfile.read(int(self.headers["content-length"]))
        failed = "/functions/echo/" not in self.path
        body = b'{"errorMessage":"no","errorType":"Broken"}' if failed else event
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        if failed:
            self.send_header("x-amz-function-error", "Unhandled")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


def test_functions_that_are_not_ours_are_invoked_where_lambda_is(world: World) -> None:
    host = ThreadingHTTPServer(("127.0.0.1", 0), Lambda)
    threading.Thread(target=host.serve_forever, daemon=True).start()
    remote = Remote({"LAMBDA": f"http://127.0.0.1:{host.server_address[1]}"})
    world.tasks = ServiceTasks(
        world.dispatcher, SERVICES, {"own": lambda event, _context: ["own", event]}, remote
    )

    told = run(world, "lambda:invoke", {"FunctionName": "echo", "Payload": {"a": "b"}})
    own = run(world, "lambda:invoke", {"FunctionName": "own", "Payload": 1})
    failed = failure(world, "lambda:invoke", {"FunctionName": "other", "Payload": "x"})

    host.shutdown()
    host.server_close()
    assert (told["Payload"], own["Payload"]) == ({"a": "b"}, ["own", 1])
    assert (failed.error, json.loads(failed.cause)["errorMessage"]) == ("Broken", "no")
