"""Tasks of executions: SDK calls and functions."""

import json
from typing import Any

import pytest
from tests.operations.world import ACCOUNT, IMAGES, REGION, SERVICES, World

from customlabels.operations import FunctionContext, ServiceTasks
from customlabels.workflows import TaskFailure, TaskRequest

SDK = "arn:aws:states:::aws-sdk:"


def run(world: World, resource: str, parameters: Any, token: str = "t" * 64) -> Any:
    request = TaskRequest(resource, parameters, token, ACCOUNT, REGION, None)
    return world.tasks.run(request)


def failure(world: World, resource: str, parameters: Any) -> TaskFailure:
    with pytest.raises(TaskFailure) as failed:
        run(world, resource, parameters)
    return failed.value


def test_times_are_texts_and_absent_members_stay_absent(world: World) -> None:
    world.project("p")

    (described,) = run(world, f"{SDK}rekognition:describeProjects", {})["ProjectDescriptions"]

    assert described["CreationTimestamp"].endswith("Z")
    assert described["Datasets"] == []
    assert "AutoUpdate" not in described


def test_the_same_token_has_one_effect(world: World) -> None:
    resource = f"{SDK}rekognition:createProject"

    first = run(world, resource, {"ProjectName": "p"})

    assert run(world, resource, {"ProjectName": "p"}) == first
    with pytest.raises(TaskFailure, match=r"Rekognition\.ResourceInUseException"):
        run(world, resource, {"ProjectName": "p"}, token="u" * 64)


@pytest.mark.parametrize(
    ("resource", "parameters", "error"),
    [
        ("rekognition:deleteProject", {"ProjectArn": "x"}, "Rekognition.RekognitionException"),
        (
            "rekognition:describeProjectVersions",
            {"ProjectArn": f"arn:aws:rekognition:{REGION}:{ACCOUNT}:project/p/1"},
            "Rekognition.ResourceNotFoundException",
        ),
        ("rekognition:describeProjects", {"Unknown": 1}, "States.Runtime"),
        ("rekognition:describeProjects", [], "States.Runtime"),
        (
            "rekognition:compareFaces",
            {"SourceImage": {}, "TargetImage": {}},
            "Rekognition.RekognitionException",
        ),
        ("rekognition:noSuchCall", {}, "Rekognition.RekognitionException"),
        ("dynamodb:getItem", {}, "States.Runtime"),
        ("s3:getObject", {"Bucket": IMAGES, "Key": "none"}, "S3.NoSuchKeyException"),
        ("s3:getObject", {"Bucket": "no-such-bucket", "Key": "none"}, "S3.NoSuchBucketException"),
        ("s3:putObject", {"Bucket": IMAGES, "Key": "../x", "Body": "x"}, "S3.AccessDeniedException"),
        ("s3:putObject", {"Bucket": IMAGES, "Key": "x", "StorageClass": "GLACIER"}, "S3.S3Exception"),
        (
            "sfn:describeExecution",
            {"ExecutionArn": f"arn:aws:states:{REGION}:{ACCOUNT}:execution:m:r"},
            "Sfn.ExecutionDoesNotExistException",
        ),
    ],
)
def test_refusals_have_the_sdks_names(world: World, resource: str, parameters: Any, error: str) -> None:
    assert failure(world, SDK + resource, parameters).error == error


def test_a_cause_names_the_service_status_and_request(world: World) -> None:
    cause = failure(world, f"{SDK}s3:getObject", {"Bucket": IMAGES, "Key": "none"}).cause

    assert "(Service: S3, Status Code: 4" in cause
    assert "Request ID: " in cause


def test_objects_are_written_as_json_and_read_back_as_text(world: World) -> None:
    place = {"Bucket": IMAGES, "Key": "out/decision.json"}

    run(world, f"{SDK}s3:putObject", {**place, "Body": {"Decision": "DEPLOYED", "É": [1]}})
    got = run(world, f"{SDK}s3:getObject", place)
    head = run(world, f"{SDK}s3:headObject", place)
    run(world, f"{SDK}s3:putObject", {**place, "Body": "plain"})

    assert got["Body"] == '{"Decision":"DEPLOYED","É":[1]}'
    assert got["ETag"] == head["ETag"] != run(world, f"{SDK}s3:headObject", place)["ETag"]
    assert head["ContentLength"] == len(got["Body"].encode())
    assert world.objects.read(IMAGES, "out/decision.json") == b'"plain"'


def test_objects_are_listed_in_pages_copied_and_deleted(world: World) -> None:
    for at in range(3):
        world.objects.write(IMAGES, f"a/{at}", b"x")

    first = run(world, f"{SDK}s3:listObjectsV2", {"Bucket": IMAGES, "Prefix": "a/", "MaxKeys": 2})
    more = {"Bucket": IMAGES, "Prefix": "a/", "ContinuationToken": first["NextContinuationToken"]}
    rest = run(world, f"{SDK}s3:listObjectsV2", more)
    run(world, f"{SDK}s3:copyObject", {"Bucket": IMAGES, "Key": "b", "CopySource": f"{IMAGES}/a/0"})
    run(world, f"{SDK}s3:deleteObject", {"Bucket": IMAGES, "Key": "a/0"})

    assert [each["Key"] for each in first["Contents"] + rest["Contents"]] == ["a/0", "a/1", "a/2"]
    assert (first["IsTruncated"], rest["IsTruncated"]) == (True, False)
    assert [info.key for info in world.objects.list(IMAGES)] == ["a/1", "a/2", "b"]


def test_an_object_that_no_state_can_hold_is_refused_unread(world: World) -> None:
    world.objects.write(IMAGES, "large", b"x" * 262_145)

    failed = failure(world, f"{SDK}s3:getObject", {"Bucket": IMAGES, "Key": "large"})

    assert failed.error == "States.DataLimitExceeded"


def judge(event: Any, context: FunctionContext) -> Any:
    if event == "bad":
        raise ValueError("no score in it")
    return {"seen": event, "by": context.function_name}


@pytest.fixture
def functions(world: World) -> World:
    world.tasks = ServiceTasks(
        world.dispatcher, SERVICES, {"judge": judge, "odd": lambda _event, _context: {1j}}
    )
    return world


def test_functions_are_called_by_name_and_by_arn(functions: World) -> None:
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:judge"

    direct = run(functions, arn, {"a": 1})
    invoked = run(
        functions, "arn:aws:states:::lambda:invoke", {"FunctionName": f"{arn}:$LATEST", "Payload": [2]}
    )
    by_name = run(functions, "arn:aws:states:::lambda:invoke", {"FunctionName": "judge"})

    assert direct == {"seen": {"a": 1}, "by": "judge"}
    assert invoked["Payload"] == {"seen": [2], "by": "judge"}
    assert (invoked["StatusCode"], invoked["ExecutedVersion"]) == (200, "$LATEST")
    assert invoked["SdkHttpMetadata"]["HttpHeaders"]["Content-Length"] == "25"
    assert by_name["Payload"] == {"seen": {}, "by": "judge"}


def test_a_functions_exception_is_the_tasks_error(functions: World) -> None:
    failed = failure(functions, f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:judge", "bad")

    assert failed.error == "ValueError"
    assert json.loads(failed.cause)["errorMessage"] == "no score in it"


def test_functions_that_are_unknown_or_answer_no_json_fail(functions: World) -> None:
    unknown = failure(functions, f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:other", {})
    odd = failure(functions, f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:odd", {})

    assert unknown.error == "Lambda.ResourceNotFoundException"
    assert "judge, odd" in unknown.cause
    assert odd.error == "TypeError"


@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:states:::sns:publish",
        "arn:aws:states:::batch:submitJob.sync",
        "arn:aws:states:::aws-sdk:rekognition:describeProjects.sync",
        "arn:aws:states:::aws-sdk:nosuchservice:call",
        f"arn:aws:states:{REGION}:{ACCOUNT}:activity:a",
    ],
)
def test_resources_that_are_not_offered_say_so(world: World, resource: str) -> None:
    failed = failure(world, resource, {})

    assert failed.error == "States.Runtime"
    assert resource in failed.cause
