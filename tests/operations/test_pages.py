"""Page tokens: good for the request that they came from, and for nothing else."""

import base64

import pytest
from tests.operations.world import ACCOUNT, REGION, World

from customlabels.errors import ServiceError
from customlabels.wire import Caller

REFUSAL = "InvalidPaginationTokenException"


def projects(world: World) -> str:
    """A token for the second page of three projects."""
    for name in ("a", "b", "c"):
        world.project(name)
    return str(world.rekognition("DescribeProjects", MaxResults=2)["NextToken"])


def test_a_token_goes_on_with_its_request_at_any_page_size_and_at_any_later_server(world: World) -> None:
    token = projects(world)

    found = world.rekognition("DescribeProjects", MaxResults=1, NextToken=token)["ProjectDescriptions"]

    assert [each["ProjectArn"].split("/")[1] for each in found] == ["a"]
    assert "NextToken" not in world.rekognition("DescribeProjects", NextToken="")


def test_a_token_of_another_request_or_operation_is_refused(world: World) -> None:
    token = projects(world)
    dataset = world.dataset(world.project("d"), "TRAIN", 4)
    entries = world.rekognition("ListDatasetEntries", DatasetArn=dataset, MaxResults=1)["NextToken"]

    for params in ({"ProjectNames": ["a"]}, {"Features": ["CUSTOM_LABELS"]}):
        assert world.refusal("DescribeProjects", **params, NextToken=token) == REFUSAL
    assert world.refusal("ListDatasetLabels", DatasetArn=dataset, NextToken=entries) == REFUSAL
    filtered = {"DatasetArn": dataset, "Labeled": True}
    assert world.refusal("ListDatasetEntries", **filtered, NextToken=entries) == REFUSAL


def test_a_token_of_another_account_is_refused(world: World) -> None:
    token = projects(world)

    with pytest.raises(ServiceError) as refused:
        world.call("rekognition", "DescribeProjects", {"NextToken": token}, caller=Caller("9" * 12, REGION))

    assert refused.value.code == REFUSAL
    assert ACCOUNT not in token


@pytest.mark.parametrize("at", [0, 5, -1])
def test_a_token_that_was_changed_anywhere_is_refused(world: World, at: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(projects(world)))
    raw[at] ^= 1

    forged = base64.urlsafe_b64encode(raw).decode()

    assert world.refusal("DescribeProjects", NextToken=forged) == REFUSAL


@pytest.mark.parametrize("text", ["x", "é", "AAAA", "null", "=" * 1024, "W10="])
def test_a_token_that_was_made_up_is_refused(world: World, text: str) -> None:
    projects(world)

    assert world.refusal("DescribeProjects", NextToken=text) == REFUSAL
