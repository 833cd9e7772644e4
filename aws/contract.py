"""What the template promises: the ancestor's contract, options that are off, logs, alarms, no accounts."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import yaml

from aws.application import REQUIRED, ROOT, Application, Filled
from customlabels.pipeline import local_substitutions

OPTIONAL_TYPES = {
    "AWS::SNS::Topic",
    "AWS::Scheduler::Schedule",
    "AWS::Events::Rule",
    "AWS::CloudWatch::Dashboard",
}
# A resource with a name of its own needs CAPABILITY_NAMED_IAM, or cannot be replaced.
NAMES = ("RoleName", "ManagedPolicyName", "PolicyName", "StateMachineName", "FunctionName", "TopicName")
ALARMS = {"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionThrottled"}
ACCOUNT = re.compile(r"\b\d{12}\b|\b(AKIA|ASIA)[A-Z0-9]{16}\b")
PINNED = re.compile(r"[\w./-]+@[0-9a-f]{40}")


def check_contract(application: Application) -> Iterator[str]:
    """Broken promises of the template and of the files beside it."""
    template = application.template
    yield from _parameters(template)
    yield from _ancestor(template)
    for options in (False, True):
        filled = application.filled(options=options)
        yield from _machines(filled)
        yield from _logs(filled)
        yield from _values(filled)
    yield from _off(application.filled(options=False), application.filled(options=True))
    yield from _files(application)


def _parameters(template: dict[str, Any]) -> Iterator[str]:
    parameters = template["Parameters"]
    groups = template.get("Metadata", {}).get("AWS::CloudFormation::Interface", {}).get("ParameterGroups", [])
    shown = [name for group in groups for name in group["Parameters"]]
    body = str({key: template[key] for key in ("Conditions", "Resources", "Outputs")})
    local = local_substitutions()
    for name, about in parameters.items():
        if "Default" not in about and name not in REQUIRED:
            yield f"parameter {name}: has no default, so stacks that are there cannot be updated without it"
        if "Description" not in about:
            yield f"parameter {name}: says nothing of itself"
        if shown.count(name) != 1:
            yield f"parameter {name}: stands {shown.count(name)} times in the groups of the console"
        if not re.search(rf"'Ref': '{name}'|\$\{{{name}\}}", body):
            yield f"parameter {name}: nothing uses it"
        default, pattern = about.get("Default"), about.get("AllowedPattern")
        if default is not None and pattern and not re.fullmatch(pattern, str(default)):
            yield f"parameter {name}: its default {default!r} is not allowed by its pattern"
        if default not in (None, "") and name in local and str(default) != local[name]:
            yield f"parameter {name}: its default is {default}, on a local machine {local[name]}"


def _ancestor(template: dict[str, Any]) -> Iterator[str]:
    required = {name for name, about in template["Parameters"].items() if "Default" not in about}
    for name in sorted(set(REQUIRED) - required):
        yield f"parameter {name}: the ancestor's stacks have it, without a default"
    output = template["Outputs"].get("RekognitionStateMachineArn", {})
    if output.get("Value") != {"Ref": "RekognitionStateMachine"} or "Condition" in output:
        yield "output RekognitionStateMachineArn: is not the machine's ARN"
    machine = template["Resources"].get("RekognitionStateMachine", {})
    properties = machine.get("Properties", {})
    if machine.get("Type") != "AWS::Serverless::StateMachine" or "Condition" in machine:
        yield "RekognitionStateMachine: is no state machine of every stack; another id replaces it"
    if properties.get("DefinitionUri") != "statemachine/workflow.yaml":
        yield "RekognitionStateMachine: its definition is not statemachine/workflow.yaml"
    if properties.get("Type", "STANDARD") != "STANDARD":
        yield "RekognitionStateMachine: EXPRESS ends after five minutes"
    if template.get("Transform") != "AWS::Serverless-2016-10-31":
        yield "Transform: is not SAM's alone, so CAPABILITY_IAM is not enough"


def _machines(filled: Filled) -> Iterator[str]:
    groups = filled.of_type("AWS::Logs::LogGroup")
    for name, machine in filled.machines():
        logging = machine.get("Logging", {})
        arns = [one["CloudWatchLogsLogGroup"]["LogGroupArn"] for one in logging.get("Destinations", [])]
        if logging.get("Level") != "ALL" or [arn.rpartition(":")[2] for arn in arns if arn] == []:
            yield f"{name}: its executions are not logged"
        elif arns[0].rpartition(":")[2] not in groups:
            yield f"{name}: logs to a group that is none of this template's"
        if machine.get("Tracing") != {"Enabled": True}:
            yield f"{name}: is not traced"
        if not machine.get("Tags"):
            yield f"{name}: has no tags"
        if "Policies" in machine or "Events" in machine:
            yield f"{name}: SAM makes a role of its own for it, which nobody has read"
    watched = {
        alarm["MetricName"]
        for alarm in filled.of_type("AWS::CloudWatch::Alarm").values()
        if alarm["Dimensions"][0]["Value"].endswith(":RekognitionStateMachine")
    }
    for metric in sorted(ALARMS - watched):
        yield f"no alarm watches {metric}"


def _logs(filled: Filled) -> Iterator[str]:
    for name, group in filled.of_type("AWS::Logs::LogGroup").items():
        if not str(group["LogGroupName"]).startswith(("/aws/vendedlogs/states/", "/aws/lambda/")):
            yield f"{name}: outside /aws/vendedlogs/states/ the account's resource policy grows"
        if group.get("RetentionInDays") != filled.parameters["LogRetentionDays"]:
            yield f"{name}: is kept without an end"
    for name, topic in filled.of_type("AWS::SNS::Topic").items():
        if not topic.get("KmsMasterKeyId"):
            yield f"{name}: is not encrypted"


def _values(filled: Filled) -> Iterator[str]:
    for name, resource in filled.resources.items():
        for key in NAMES:
            if key in resource.get("Properties", {}):
                yield f"{name}: a name of its own ({key}) wants CAPABILITY_NAMED_IAM"
        if resource.get("DeletionPolicy") == "Retain":
            yield f"{name}: stays when the stack is deleted"
    for value in filled.outputs.values():
        assert value is not None


def _off(minimal: Filled, everything: Filled) -> Iterator[str]:
    for name, resource in minimal.resources.items():
        if resource["Type"] in OPTIONAL_TYPES:
            yield f"{name}: is made though its option was not asked for"
    conditions = everything.template.get("Conditions", {})
    for name in conditions:
        if not everything.holds(name):
            yield f"condition {name}: does not hold with every option used"
    for name in OPTIONAL_TYPES - {resource["Type"] for resource in everything.resources.values()}:
        yield f"no option makes an {name}"


def _files(application: Application) -> Iterator[str]:
    for path, text in application.files.items():
        for found in ACCOUNT.finditer(text):
            yield f"{path}: an account or a key stands in it: {found[0]}"
    numpy = re.search(r"numpy==\S+", application.files["src/Makefile"])
    if numpy is None or numpy[0] not in (ROOT / "constraints.txt").read_text("utf-8").split():
        yield f"src/Makefile: {numpy and numpy[0]} is not what constraints.txt has"
    samconfig = tomllib.loads(application.files["samconfig.toml"])
    if samconfig["default"]["deploy"]["parameters"].get("capabilities") != "CAPABILITY_IAM":
        yield "samconfig.toml: capabilities are not CAPABILITY_IAM"
    workflows = [path for path in application.files if path.startswith(".github/")]
    for path in workflows:
        text = application.files[path]
        for used in re.findall(r"uses:\s*(\S+)", text):
            if not PINNED.fullmatch(used):
                yield f"{path}: {used} is not pinned to a commit"
        for name, job in yaml.safe_load(text)["jobs"].items():
            if "sam deploy" in str(job) and (
                "environment" not in job or "id-token" not in str(job.get("permissions"))
            ):
                yield f"{path}: {name} deploys without an approval and a role of its own"
        if re.search(r"aws-(secret-)?access-key", text):
            yield f"{path}: keys instead of a role"
