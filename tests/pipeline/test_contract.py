"""The files of the deployment against botocore's models, cfn-lint and each other: what AWS would refuse."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore.model import OperationModel, Shape

from customlabels.pipeline import definition, definition_text, local_substitutions

ROOT = Path(__file__).parents[2]


class CloudFormationLoader(yaml.SafeLoader):
    """Reads the short forms: `!Sub text` as {"Fn::Sub": text}."""


def short_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    """The long form of a tagged value."""
    if isinstance(node, yaml.SequenceNode):
        return {f"Fn::{suffix}": loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.ScalarNode)
    return {suffix if suffix == "Ref" else f"Fn::{suffix}": node.value}


CloudFormationLoader.add_multi_constructor("!", short_form)

TEMPLATE_TEXT = (ROOT / "template.yaml").read_text(encoding="utf-8")
TEMPLATE = yaml.load(TEMPLATE_TEXT, CloudFormationLoader)
MACHINE = TEMPLATE["Resources"]["RekognitionStateMachine"]["Properties"]
STATEMENTS = [
    inner
    for statement in TEMPLATE["Resources"]["PipelineRole"]["Properties"]["Policies"][0]["PolicyDocument"][
        "Statement"
    ]
    for inner in (statement["Fn::If"][1:2] if "Fn::If" in statement else [statement])
]
DEFINITION = definition(local_substitutions())
SESSION = botocore.session.get_session()
TRANSIENT = {
    "rekognition": {
        "Rekognition.ThrottlingException",
        "Rekognition.ProvisionedThroughputExceededException",
        "Rekognition.InternalServerErrorException",
        "States.Timeout",
    },
    # S3 models neither its throttling nor its internal errors: both come under the service's general name.
    "s3": {"S3.S3Exception", "States.Timeout"},
    # The others' optimised integrations have a general name as well.
    "sns": {
        "SNS.InternalErrorException",
        "SNS.KMSThrottlingException",
        "SNS.AmazonSNSException",
        "States.Timeout",
    },
    "lambda": {
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.TooManyRequestsException",
    },
}
GENERAL = {"s3": "S3.S3Exception", "sns": "SNS.AmazonSNSException", "lambda": "Lambda.AWSLambdaException"}
# Where it is not a minute, and what more or less than the transient errors is tried again.
TIMEOUTS = {"Judge": 900, "Ask for approval": None}
RETRIED = {
    "Smoke test": TRANSIENT["rekognition"] | {"Rekognition.ResourceNotReadyException"},  # its units come up
    "Ask for approval": TRANSIENT["sns"] - {"States.Timeout"},  # the person's
}
# Granted though no state calls them, with the reason.
GRANTED_BESIDES = {
    "rekognition:ListDatasetEntries": "copying a dataset reads the source's entries",
    "s3:GetBucketAcl": "Rekognition looks at the bucket with its caller's rights",
    "s3:GetBucketLocation": "Rekognition looks at the bucket with its caller's rights",
    "s3:ListBucket": "without it a missing current.json is 'denied', not 'no such key'",
    "s3:GetObjectAcl": "Rekognition reads images with its caller's rights",
    "s3:GetObjectTagging": "Rekognition reads images with its caller's rights",
    "s3:GetObjectVersion": "Rekognition reads images with its caller's rights",
}


def states_of(workflow: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All states of a workflow, those of its Maps too."""
    for name, state in workflow["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from states_of(state["ItemProcessor"])


STATES = dict(states_of(DEFINITION))
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}
CATCHING = {name: state for name, state in STATES.items() if state["Type"] in ("Task", "Map")}


def called(state: dict[str, Any]) -> tuple[str, OperationModel]:
    """The service and operation that a task's Resource names."""
    service, _, operation = state["Resource"].removesuffix(".waitForTaskToken").rpartition(":")
    service = service.rpartition(":")[2]
    return service, SESSION.get_service_model(service).operation_model(operation[0].upper() + operation[1:])


def texts(value: Any) -> Iterator[str]:
    """Every string in a JSON value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def check_parameters(given: dict[str, Any], shape: Shape, where: str) -> None:
    """Every name is a member of the shape, and every required member is given."""
    names = {key.removesuffix(".$"): value for key, value in given.items()}
    assert set(names) <= set(shape.members), where
    assert set(shape.required_members) <= set(names), where
    for name, value in names.items():
        if isinstance(value, dict) and shape.members[name].type_name == "structure":
            check_parameters(value, shape.members[name], f"{where}.{name}")


@pytest.mark.parametrize("name", TASKS)
def test_a_task_calls_a_real_operation_with_its_parameters(name: str) -> None:
    _, operation = called(TASKS[name])

    check_parameters(TASKS[name].get("Arguments") or TASKS[name]["Parameters"], operation.input_shape, name)


@pytest.mark.parametrize("name", [name for name, state in TASKS.items() if "ResultSelector" in state])
def test_a_task_selects_members_that_the_answer_has(name: str) -> None:
    _, operation = called(TASKS[name])

    selected = [
        member for text in texts(TASKS[name]["ResultSelector"]) for member in re.findall(r"\$\.(\w+)", text)
    ]

    assert selected
    assert set(selected) <= set(operation.output_shape.members)


@pytest.mark.parametrize("state", CATCHING)
def test_errors_are_spelled_as_step_functions_spells_them(state: str) -> None:
    rules = [*CATCHING[state].get("Retry", []), *CATCHING[state].get("Catch", [])]
    named = {error for rule in rules for error in rule["ErrorEquals"]}
    known = {"States.ALL", "States.Timeout"} | ({"ApprovalRefused"} if state == "Ask for approval" else set())
    if state in TASKS:
        service, operation = called(TASKS[state])
        title = {"rekognition": "Rekognition", "s3": "S3", "sns": "SNS", "lambda": "Lambda"}[service]
        known |= {
            f"{title}.{shape.name.removesuffix('Exception')}Exception" for shape in operation.error_shapes
        }
        known |= {GENERAL.get(service, ""), "Lambda.SdkClientException"}

    assert named <= known


@pytest.mark.parametrize("state", CATCHING)
def test_states_all_stands_alone_and_last(state: str) -> None:
    for rules in (CATCHING[state].get("Retry", []), CATCHING[state].get("Catch", [])):
        for index, rule in enumerate(rules):
            if "States.ALL" in rule["ErrorEquals"]:
                assert rule["ErrorEquals"] == ["States.ALL"]
                assert index == len(rules) - 1


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_bounded_and_retries_what_passes_by_itself(name: str) -> None:
    service, _ = called(TASKS[name])
    first = TASKS[name]["Retry"][0]

    assert TASKS[name].get("TimeoutSeconds") == TIMEOUTS.get(name, 60)
    assert set(first["ErrorEquals"]) == RETRIED.get(name, TRANSIENT[service])
    assert first["JitterStrategy"] == "FULL"
    assert first["MaxDelaySeconds"] == 60


@pytest.mark.parametrize("name", [name for name in DEFINITION["States"] if name in CATCHING])
def test_no_fault_leaves_the_workflow_by_itself(name: str) -> None:
    assert CATCHING[name]["Catch"][-1]["ErrorEquals"] == ["States.ALL"]


def test_no_path_reads_a_field_through_an_index() -> None:
    outside_braces = [text for text in texts(DEFINITION) if re.search(r"\]\.\w|\$\.\[", text)]

    assert outside_braces == []


def test_a_list_is_asked_for_its_first_element_before_that_is_read() -> None:
    asked = {
        rule["Next"]
        for state in STATES.values()
        for rule in state.get("Choices", [])
        if rule.get("IsPresent") is True and rule["Variable"].endswith("[0]")
    }
    reading = {
        name
        for name, state in STATES.items()
        if state["Type"] != "Choice" and any(re.search(r"Lookup\S*\[0\]", text) for text in texts(state))
    }

    assert reading == asked


@pytest.mark.parametrize(
    ("choice", "variable", "shape"),
    [
        ("Trained?", "$.Training.Version.Status", "ProjectVersionStatus"),
        ("Serving?", "$.Hosting.Version.Status", "ProjectVersionStatus"),
        ("Copied?", "$.Seen.Dataset.Status", "DatasetStatus"),
    ],
)
def test_every_status_of_the_service_is_named(choice: str, variable: str, shape: str) -> None:
    model = SESSION.get_service_model("rekognition")
    # CREATE_FAILED and the like; a default is for statuses that do not exist yet
    named = [value for value in texts(STATES[choice]["Choices"]) if value in model.shape_for(shape).enum]

    assert set(named) == set(model.shape_for(shape).enum)
    assert STATES[choice]["Default"].endswith("unclear")
    assert variable in texts(STATES[choice])


def test_state_names_are_unique_and_fit_the_service() -> None:
    names = [name for name, _ in states_of(DEFINITION)]

    assert len(names) == len(set(names))
    assert max(map(len, names)) <= 80


def test_every_way_leads_to_a_state_and_every_state_is_reached() -> None:
    for workflow in [
        DEFINITION,
        *(state["ItemProcessor"] for state in STATES.values() if "ItemProcessor" in state),
    ]:
        targets = {workflow["StartAt"]}
        for state in workflow["States"].values():
            targets |= {state[key] for key in ("Next", "Default") if key in state}
            targets |= {rule["Next"] for rule in [*state.get("Choices", []), *state.get("Catch", [])]}

        assert targets == set(workflow["States"])


def test_the_template_fills_every_place_of_the_definition_and_no_other() -> None:
    places = set(re.findall(r"\$\{(\w+)\}", definition_text())) - {"Name"}  # ${Name} is said in a comment

    assert places == set(MACHINE["DefinitionSubstitutions"]) == set(local_substitutions())


def test_the_ancestors_contract_stands() -> None:
    parameters = TEMPLATE["Parameters"]
    required = {name for name, parameter in parameters.items() if "Default" not in parameter}

    assert required == {"TrainingDatasetArnToCopyFrom", "TestDatasetArnToCopyFrom", "OutputBucketName"}
    assert TEMPLATE["Outputs"]["RekognitionStateMachineArn"]["Value"] == {"Ref": "RekognitionStateMachine"}
    assert MACHINE["DefinitionUri"] == "statemachine/workflow.yaml"
    assert "RoleName" not in TEMPLATE["Resources"]["PipelineRole"]["Properties"]  # CAPABILITY_IAM is enough


def test_the_templates_defaults_are_those_of_a_local_machine() -> None:
    local = local_substitutions()
    shared = {name for name in local if "Default" in TEMPLATE["Parameters"].get(name, {})} - {"OutputPrefix"}

    assert {name: str(TEMPLATE["Parameters"][name]["Default"]) for name in shared} == {
        name: local[name] for name in shared
    }


def test_the_role_may_do_what_the_states_do_and_nothing_else() -> None:
    granted = {
        action
        for statement in STATEMENTS
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        if action.split(":")[0] in ("rekognition", "s3")
    }
    calls = [called(state) for state in TASKS.values()]
    used = {f"{service}:{call.name}" for service, call in calls if service in ("rekognition", "s3")}

    assert granted == used | set(GRANTED_BESIDES)


def test_only_what_knows_no_resource_is_granted_on_everything() -> None:
    wide = {statement["Sid"] for statement in STATEMENTS if statement["Resource"] == "*"}

    assert wide == {"FindAndCreateProjects", "DeliverLogs", "SendTraces"}


def test_datasets_are_deleted_in_the_pipelines_own_project_only() -> None:
    (statement,) = [
        statement for statement in STATEMENTS if "rekognition:DeleteDataset" in statement["Action"]
    ]

    assert statement["Resource"]["Fn::Sub"].endswith(":project/${ProjectName}/dataset/*")


def linted(template: Path) -> str:
    """What cfn-lint says."""
    program = Path(sys.executable).with_name("cfn-lint")
    command = [str(program), "--regions", "eu-west-1", "--", str(template)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_cfn_lint_has_nothing_to_say_about_the_template() -> None:
    assert linted(ROOT / "template.yaml") == ""


def test_cfn_lint_has_nothing_to_say_about_the_substituted_definition(tmp_path: Path) -> None:
    machine = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {"RoleArn": "arn:aws:iam::123456789012:role/pipeline", "Definition": DEFINITION},
    }

    template = tmp_path / "machine.json"
    template.write_text(json.dumps({"Resources": {"Machine": machine}}), encoding="utf-8")

    assert linted(template) == ""


def test_no_account_and_no_bucket_stands_in_the_committed_files() -> None:
    files = [TEMPLATE_TEXT, definition_text(), (ROOT / "samconfig.toml").read_text(encoding="utf-8")]

    assert [found for text in files for found in re.findall(r"\b\d{12}\b", text)] == []


def test_the_definition_is_plain_yaml_without_aliases() -> None:
    events = {type(event) for event in yaml.parse(definition_text())}

    assert yaml.AliasEvent not in events
