"""The roles: what they may do is what their definitions do, on no more than they do it with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from aws.application import Application, Filled
from aws.definitions import actions_of, definition_of

HERE = r"arn:aws:{}:eu-west-1:111122223333:"
PROJECT = HERE.format("rekognition") + "project/custom-labels-pipeline/"
BUCKETS = r"arn:aws:s3:::(results|images)"
# Granted though no state calls them, with the reason.
BESIDES = {
    "rekognition:ListDatasetEntries": "copying a dataset reads the source's entries",
    "s3:GetBucketAcl": "Rekognition looks at the buckets with its caller's rights",
    "s3:GetBucketLocation": "Rekognition looks at the buckets with its caller's rights",
    "s3:ListBucket": "without it a missing object is 'denied', not 'no such key'",
    "s3:GetObject": "Rekognition reads images with its caller's rights",
    "s3:GetObjectAcl": "Rekognition reads images with its caller's rights",
    "s3:GetObjectTagging": "Rekognition reads images with its caller's rights",
    "s3:GetObjectVersion": "Rekognition reads images with its caller's rights",
    "s3:PutObject": "Rekognition and the judge write results with their caller's rights",
    "kms:Decrypt": "the buckets' and the topics' key, where one is given",
    "kms:GenerateDataKey": "the buckets' and the topics' key, where one is given",
}
LOGS = {f"logs:{verb}LogDelivery" for verb in ("Create", "Delete", "Get", "Update")}
LOGS |= {"logs:DescribeLogGroups", "logs:DescribeResourcePolicies", "logs:ListLogDeliveries"}
LOGS |= {"logs:PutResourcePolicy"}
TRACES = {f"xray:{verb}" for verb in ("GetSamplingRules", "GetSamplingTargets")}
TRACES |= {"xray:PutTelemetryRecords", "xray:PutTraceSegments"}
# What an action may be granted on, each a pattern for the whole of a resource.
RESOURCES = {
    "rekognition:(CreateProject|DescribeProjects)": r"\*",
    "rekognition:(CreateDataset|CreateProjectVersion|DescribeProjectVersions|DeleteProject)": PROJECT + r"\*",
    "rekognition:(Describe|Delete)Dataset": PROJECT + r"dataset/\*",
    "rekognition:ListDatasetEntries": HERE.format("rekognition") + r"project/source/dataset/(train|test)/1",
    "rekognition:((Start|Stop|Delete)ProjectVersion|DetectCustomLabels)": PROJECT + r"version/\*",
    "s3:(GetBucketAcl|GetBucketLocation|ListBucket)": BUCKETS,
    "s3:GetObject(Acl|Tagging|Version)?": BUCKETS + r"/(custom-labels/)?\*",
    "s3:PutObject": r"arn:aws:s3:::results/custom-labels/\*",
    "sns:Publish": HERE.format("sns") + r"\w+",
    "lambda:InvokeFunction": HERE.format("lambda") + r"function:\w+(:\*)?",
    "states:StartExecution": HERE.format("states") + r"stateMachine:\w+",
    "kms:(Decrypt|GenerateDataKey)": HERE.format("kms") + r"key/[\w-]+",
    "cloudwatch:GetMetricStatistics": r"\*",
    "logs:(CreateLogStream|PutLogEvents)": HERE.format("logs") + r"log-group:/aws/lambda/[\w-]+(:\*)?",
    "|".join(sorted(LOGS | TRACES)): r"\*",  # these services know no narrower resource
}
# Who may take a role on, by the type of what uses it.
PRINCIPALS = {
    "AWS::Serverless::StateMachine": "states.amazonaws.com",
    "AWS::Serverless::Function": "lambda.amazonaws.com",
    "AWS::Scheduler::Schedule": "scheduler.amazonaws.com",
    "AWS::Events::Rule": "events.amazonaws.com",
}
FUNCTION_ACTIONS = {
    "s3:GetObject",
    "s3:ListBucket",
    "s3:PutObject",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
}
FUNCTION_ACTIONS |= {
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}


def listed(value: Any) -> list[Any]:
    """A list as it is; one value as a list of one."""
    return value if isinstance(value, list) else [value]


def check_permissions(application: Application) -> Iterator[str]:
    """Roles that may do too much or too little, with every option used and with none."""
    told: dict[str, None] = {}
    for options in (False, True):
        filled = application.filled(options=options)
        for problem in (*_uses(application, filled, options=options), *_roles(filled)):
            told[problem] = None
    yield from told


def _uses(application: Application, filled: Filled, *, options: bool) -> Iterator[str]:
    """What each role is used for, against what it may do."""
    used: dict[str, set[str]] = {}
    for name, machine in filled.machines():
        role = role_of(machine, filled)
        if role is None:
            yield f"{name}: its role is none of this template's"
            continue
        used.setdefault(role, set()).update(actions_of(definition_of(application, machine)) | LOGS | TRACES)
        yield from _trusted(filled, role, "AWS::Serverless::StateMachine")
    for kind, target_of in TARGETS.items():
        for resource in filled.of_type(kind).values():
            for role_arn, actions in target_of(resource):
                role = role_arn.rpartition("/")[2]
                used.setdefault(role, set()).update(actions)
                yield from _trusted(filled, role, kind)
    pipeline = role_of(filled.resources["RekognitionStateMachine"]["Properties"], filled)
    for role, properties in filled.of_type("AWS::IAM::Role").items():
        granted = granted_by(properties)
        if role not in used:
            yield f"{role}: nobody uses this role"
        needed = used.get(role, set())
        besides = BESIDES if role == pipeline else ()
        for action in sorted(granted - needed - set(besides)):
            yield f"{role}: may {action}, which nothing that uses it does"
        for action in sorted(needed - granted) if options else ():
            yield f"{role}: must be able to {action}"


TARGETS: dict[str, Callable[[dict[str, Any]], list[tuple[str, set[str]]]]] = {
    "AWS::Scheduler::Schedule": lambda one: [(one["Target"]["RoleArn"], {"states:StartExecution"})],
    "AWS::Events::Rule": lambda one: [(t["RoleArn"], {"states:StartExecution"}) for t in one["Targets"]],
    "AWS::Serverless::Function": lambda one: [(one["Role"], FUNCTION_ACTIONS)],
}


def role_of(machine: dict[str, Any], filled: Filled) -> str | None:
    """The logical id of a machine's role; None where it is none of the template's."""
    role = str(machine.get("Role", "")).rpartition("/")[2]
    return role if role in filled.of_type("AWS::IAM::Role") else None


def granted_by(role: dict[str, Any]) -> set[str]:
    """The actions of a role's statements."""
    return {action for statement in statements_of(role) for action in listed(statement["Action"])}


def statements_of(role: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The statements of a role's own policies."""
    for policy in role.get("Policies", []):
        yield from policy["PolicyDocument"]["Statement"]


def _trusted(filled: Filled, role: str, kind: str) -> Iterator[str]:
    document = filled.of_type("AWS::IAM::Role")[role]["AssumeRolePolicyDocument"]
    for statement in document["Statement"]:
        if statement["Principal"] != {"Service": PRINCIPALS[kind]}:
            yield f"{role}: trusts {statement['Principal']}, not {PRINCIPALS[kind]}"
        account = statement.get("Condition", {}).get("StringEquals", {}).get("aws:SourceAccount")
        if account != "111122223333" and kind != "AWS::Serverless::Function":
            yield f"{role}: may be taken on for another account (no aws:SourceAccount)"


def _roles(filled: Filled) -> Iterator[str]:
    bounded = filled.parameters.get("PermissionsBoundaryArn") or None
    for role, properties in filled.of_type("AWS::IAM::Role").items():
        if "ManagedPolicyArns" in properties:
            yield f"{role}: managed policies grant more than is written here"
        if properties.get("PermissionsBoundary") != bounded:
            yield f"{role}: does not take the permissions boundary"
        for statement in statements_of(properties):
            for action in listed(statement["Action"]):
                yield from (f"{role}: {problem}" for problem in _reach(action, listed(statement["Resource"])))


def _reach(action: str, resources: list[str]) -> Iterator[str]:
    allowed = next((reach for names, reach in RESOURCES.items() if re.fullmatch(names, action)), None)
    if allowed is None:
        yield f"{action} is an action of which the gate does not know the resources"
        return
    for resource in resources:
        if not re.fullmatch(allowed, resource):
            yield f"{action} is granted on {resource}"
