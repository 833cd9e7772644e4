"""Project policies: their revisions, their documents, and what they let other accounts do."""

import json
from typing import Any

import pytest
from tests.operations.world import CALLER, OUTPUT_CONFIG, World

from customlabels.errors import ServiceError
from customlabels.operations.permissions import check_policy, is_allowed, is_denied
from customlabels.wire import Caller

FRIEND = Caller("999988887777", CALLER.region)
VERSION = "arn:aws:rekognition:eu-west-1:111122223333:project/animals/version/v1/1700000000000"


def document(**changes: Any) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{FRIEND.account}:root"},
        "Action": "rekognition:CopyProjectVersion",
        "Resource": "arn:aws:rekognition:eu-west-1:111122223333:project/animals/version/*",
    }
    kept = {name: value for name, value in (statement | changes).items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": [kept]})


def test_a_policy_gets_another_revision_with_each_change_and_only_the_present_one_changes_it(
    world: World,
) -> None:
    policy = {"ProjectArn": world.project(), "PolicyName": "friends", "PolicyDocument": document()}

    unknown = world.refusal("PutProjectPolicy", **policy, PolicyRevisionId="0" * 32)
    first = world.rekognition("PutProjectPolicy", **policy)["PolicyRevisionId"]
    absent = world.refusal("PutProjectPolicy", **policy)
    second = world.rekognition("PutProjectPolicy", **policy, PolicyRevisionId=first)["PolicyRevisionId"]
    stale = world.refusal("PutProjectPolicy", **policy, PolicyRevisionId=first)

    assert (unknown, stale) == ("InvalidPolicyRevisionIdException",) * 2
    assert absent == "ResourceAlreadyExistsException"
    assert first != second
    (listed,) = world.rekognition("ListProjectPolicies", ProjectArn=policy["ProjectArn"])["ProjectPolicies"]
    assert listed["PolicyRevisionId"] == second
    assert listed["PolicyDocument"] == policy["PolicyDocument"]
    assert listed["LastUpdatedTimestamp"] > listed["CreationTimestamp"]


def test_policies_come_in_pages_newest_first_and_go_with_their_project(world: World) -> None:
    project = world.project()
    for number in range(7):
        world.rekognition(
            "PutProjectPolicy", ProjectArn=project, PolicyName=f"p{number}", PolicyDocument=document()
        )

    first = world.rekognition("ListProjectPolicies", ProjectArn=project)
    rest = world.rekognition("ListProjectPolicies", ProjectArn=project, NextToken=first["NextToken"])
    world.rekognition("DeleteProject", ProjectArn=project)

    names = [policy["PolicyName"] for policy in first["ProjectPolicies"] + rest["ProjectPolicies"]]
    assert names == [f"p{number}" for number in reversed(range(7))]
    assert "NextToken" not in rest
    assert world.refusal("ListProjectPolicies", ProjectArn=project) == "ResourceNotFoundException"


def test_a_policy_is_deleted_by_its_present_revision_or_without_any(world: World) -> None:
    named = {"ProjectArn": world.project(), "PolicyName": "friends"}
    revision = world.rekognition("PutProjectPolicy", **named, PolicyDocument=document())["PolicyRevisionId"]

    wrong = world.refusal("DeleteProjectPolicy", **named, PolicyRevisionId="abc")
    world.rekognition("DeleteProjectPolicy", **named, PolicyRevisionId=revision)
    gone = world.refusal("DeleteProjectPolicy", **named)

    assert (wrong, gone) == ("InvalidPolicyRevisionIdException", "ResourceNotFoundException")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"Effect": None}, "Effect is missing"),
        ({"Principal": None}, "Principal is missing"),
        ({"NotPrincipal": {"AWS": "*"}}, "NotPrincipal is not allowed"),
        ({"NotAction": "rekognition:*"}, "NotAction is not allowed"),
        ({"NotResource": "*"}, "NotResource is not allowed"),
        ({"Effect": "Perhaps"}, "Effect is Allow or Deny"),
        ({"Effect": ["Allow"]}, "Effect is Allow or Deny"),
        ({"Action": "rekognition:*"}, "CopyProjectVersion and nothing else"),
        ({"Action": []}, "CopyProjectVersion and nothing else"),
        ({"Resource": 7}, "Resource names versions"),
        ({"Resource": "animals"}, "Resource names versions"),
        ({"Principal": "me"}, "Principal is"),
        ({"Principal": {"AWS": "arn:aws:iam::12:root"}}, "Principal is"),
        ({"Condition": "sunny"}, "Condition is an object"),
    ],
)
def test_a_document_is_malformed_by_its_first_broken_rule(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ServiceError, match=told) as refused:
        check_policy(document(**changes))

    assert refused.value.code == "MalformedPolicyDocumentException"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"Statement": []}', '{"Statement": [1]}', "[" * 2000])
def test_what_is_no_policy_at_all_is_malformed(text: str) -> None:
    with pytest.raises(ServiceError) as refused:
        check_policy(text)

    assert refused.value.code == "MalformedPolicyDocumentException"


@pytest.mark.parametrize(
    ("changes", "allowed", "denied"),
    [
        ({}, True, False),
        ({"Effect": "ALLOW", "Action": ["rekognition:copyProjectVersion"], "Sid": "x"}, True, False),
        ({"Principal": "*"}, True, False),
        ({"Principal": {"AWS": ["000000000000", FRIEND.account]}}, True, False),
        ({"Principal": {"AWS": "000000000000"}}, False, False),
        ({"Principal": {"AWS": f"arn:aws:iam::{FRIEND.account}:role/copier"}}, False, False),
        ({"Resource": VERSION}, True, False),
        ({"Resource": VERSION.replace("v1", "v?")}, True, False),
        ({"Resource": VERSION.replace("v1", "v2")}, False, False),
        ({"Condition": {"StringEquals": {"aws:PrincipalOrgID": ["o-1"]}}}, False, False),
        ({"Effect": "Deny"}, False, True),
        ({"Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}, False, True),
        (
            {"Effect": "Deny", "Principal": {"AWS": f"arn:aws:iam::{FRIEND.account}:user/eve"}},
            False,
            True,
        ),
    ],
)
def test_a_statement_allows_only_what_can_be_verified_and_denies_what_may_be_meant(
    changes: dict[str, Any], allowed: bool, denied: bool
) -> None:
    text = document(**changes)
    check_policy(text)

    assert is_allowed([text], FRIEND.account, VERSION) == allowed
    assert is_denied([text], FRIEND.account, VERSION) == denied


def copied(world: World, version: str, name: str, caller: Caller, project: str) -> dict[str, Any]:
    source = "/".join(version.split("/")[:2])
    (found,) = world.rekognition("DescribeProjects", ProjectNames=[source.split("/")[1]])[
        "ProjectDescriptions"
    ]
    request = {
        "SourceProjectArn": found["ProjectArn"],
        "SourceProjectVersionArn": version,
        "DestinationProjectArn": project,
        "VersionName": name,
        "OutputConfig": OUTPUT_CONFIG,
    }
    return world.call("rekognition", "CopyProjectVersion", request, caller=caller)


def test_another_account_copies_only_what_a_policy_allows(world: World) -> None:
    version = world.trained()
    source = world.project_of(version)
    target = world.call("rekognition", "CreateProject", {"ProjectName": "theirs"}, caller=FRIEND)
    put = {"ProjectArn": source, "PolicyName": "friends"}

    with pytest.raises(ServiceError, match="no policy of") as refused:
        copied(world, version, "c1", FRIEND, target["ProjectArn"])
    world.rekognition("PutProjectPolicy", **put, PolicyDocument=document())
    arn = copied(world, version, "c1", FRIEND, target["ProjectArn"])["ProjectVersionArn"]
    world.settle()
    denying = put | {"PolicyName": "no-more", "PolicyDocument": document(Effect="Deny")}
    world.rekognition("PutProjectPolicy", **denying)
    with pytest.raises(ServiceError, match="denies") as denied:
        copied(world, version, "c2", FRIEND, target["ProjectArn"])

    assert refused.value.code == denied.value.code == "AccessDeniedException"
    listing = {"ProjectArn": target["ProjectArn"]}
    described = world.call("rekognition", "DescribeProjectVersions", listing, caller=FRIEND)
    (copy,) = described["ProjectVersionDescriptions"]
    assert (copy["Status"], copy["SourceProjectVersionArn"]) == ("COPYING_COMPLETED", version)
    assert world.refusal("DeleteProjectVersion", ProjectVersionArn=arn) == "ResourceNotFoundException"
