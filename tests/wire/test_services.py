"""Services and operations are found by name and by target."""

from pathlib import Path

import pytest

from customlabels.errors import ServiceError
from customlabels.wire import ModelNotFound, Services, load_services


@pytest.mark.parametrize(
    ("target", "service", "operation"),
    [
        ("RekognitionService.CreateProject", "rekognition", "CreateProject"),
        ("AWSStepFunctions.StartSyncExecution", "stepfunctions", "StartSyncExecution"),
        ("CustomLabelsService.DescribeServer", "customlabels", "DescribeServer"),
    ],
)
def test_a_target_names_service_and_operation(
    services: Services, target: str, service: str, operation: str
) -> None:
    found, model = services.by_target(target)

    assert (found.name, model.name) == (service, operation)


@pytest.mark.parametrize(
    "target", ["", "CreateProject", "Nobody.CreateProject", "RekognitionService.", "RekognitionService.Nope"]
)
def test_an_unknown_target_is_an_unknown_operation(services: Services, target: str) -> None:
    with pytest.raises(ServiceError) as refusal:
        services.by_target(target)

    assert refusal.value.code == "UnknownOperationException"


def test_each_service_answers_in_its_own_json_version(services: Services) -> None:
    versions = {service.name: service.content_type for service in services}

    assert versions == {
        "rekognition": "application/x-amz-json-1.1",
        "stepfunctions": "application/x-amz-json-1.0",
        "customlabels": "application/x-amz-json-1.1",
    }


@pytest.mark.parametrize(
    ("service", "code", "status"),
    [
        ("rekognition", "ResourceNotFoundException", 400),
        ("rekognition", "ThrottlingException", 500),
        ("rekognition", "InternalServerError", 500),
        ("rekognition", "InvalidSignatureException", 400),
        ("stepfunctions", "ExecutionDoesNotExist", 400),
        ("stepfunctions", "InternalFailure", 500),
        ("customlabels", "Gone", 410),
    ],
)
def test_an_error_has_the_status_of_its_model(tiny: Services, service: str, code: str, status: int) -> None:
    assert tiny[service].status(code) == status


def test_a_fault_of_ours_has_the_name_that_the_service_gives_it(services: Services) -> None:
    codes = {service.name: service.fault_code for service in services}

    assert codes["rekognition"] == "InternalServerError"
    assert codes["stepfunctions"] == "InternalFailure"


def test_a_scope_calls_step_functions_states(services: Services) -> None:
    assert services["stepfunctions"].signing_name == "states"


def test_another_service_is_known_by_shape_but_not_served(services: Services) -> None:
    put = services.shape_only("s3").operation("PutObject")

    assert "Bucket" in put.input_shape.required_members
    assert "s3" not in [service.name for service in services]


def test_a_missing_model_file_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"no customlabels/.*service-2\.json in .*" + tmp_path.name):
        load_services(tmp_path)
