"""The names under which Retry and Catch find the errors of API calls."""

from __future__ import annotations

import pytest

from customlabels.workflows import sdk_error_cause, sdk_error_name


@pytest.mark.parametrize(
    ("service", "code", "name"),
    [
        ("rekognition", "ResourceInUseException", "Rekognition.ResourceInUseException"),
        ("rekognition", "InternalServerError", "Rekognition.InternalServerErrorException"),
        ("rekognition", None, "Rekognition.RekognitionException"),
        ("s3", "NoSuchBucket", "S3.NoSuchBucketException"),
        ("s3", "NoSuchKey", "S3.NoSuchKeyException"),
        ("dynamodb", "ResourceNotFoundException", "DynamoDb.ResourceNotFoundException"),
        ("secretsmanager", None, "SecretsManager.SecretsManagerException"),
        ("Secrets Manager", None, "SecretsManager.SecretsManagerException"),
        ("SQS", "QueueDoesNotExist", "Sqs.QueueDoesNotExistException"),
        ("CloudWatch Logs", "InvalidParameterException", "CloudWatchLogs.InvalidParameterException"),
        ("EC2", None, "Ec2.Ec2Exception"),
        ("sfn", "InvalidToken", "Sfn.InvalidTokenException"),
        ("stepfunctions", "ExecutionAlreadyExists", "Sfn.ExecutionAlreadyExistsException"),
    ],
)
def test_an_error_is_named_as_the_sdk_names_it(service: str, code: str | None, name: str) -> None:
    assert sdk_error_name(service, code) == name


def test_a_cause_tells_service_status_and_request() -> None:
    cause = sdk_error_cause("rekognition", "Project p does not exist", 400, "1-2")

    assert cause == "Project p does not exist (Service: Rekognition, Status Code: 400, Request ID: 1-2)"


def test_causes_of_s3_and_of_step_functions_tell_more() -> None:
    assert sdk_error_cause("S3", "gone", 404, "1", "2").endswith("Request ID: 1, Extended Request ID: 2)")
    assert sdk_error_cause("SFN", "no", 400, "1").endswith("Request ID: 1) (SDK Attempt Count: 1)")
