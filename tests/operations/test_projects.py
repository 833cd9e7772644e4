"""Projects, and the pages of lists."""

from pathlib import Path

import pytest
from tests.operations.world import World

from customlabels.operations import Limits
from customlabels.wire import Caller


def test_a_project_is_described_with_no_datasets_as_an_empty_list(world: World) -> None:
    arn = world.project("animals")

    (described,) = world.rekognition("DescribeProjects")["ProjectDescriptions"]

    assert described["ProjectArn"] == arn
    assert described["Status"] == "CREATED"
    assert described["Datasets"] == []
    assert int(arn.rpartition("/")[2]) == round(described["CreationTimestamp"] * 1000)


def test_a_name_is_unique_until_its_project_is_deleted(world: World) -> None:
    first = world.project("animals")

    assert world.refusal("CreateProject", ProjectName="animals") == "ResourceInUseException"
    assert world.rekognition("DeleteProject", ProjectArn=first) == {"Status": "DELETING"}
    assert world.project("animals") != first
    assert world.refusal("DeleteProject", ProjectArn=first) == "ResourceNotFoundException"


def test_unknown_names_are_left_out(world: World) -> None:
    world.project("animals")

    found = world.rekognition("DescribeProjects", ProjectNames=["plants"])

    assert found == {"ProjectDescriptions": []}


def test_pages_go_from_the_newest_to_the_oldest_and_end_without_a_token(world: World) -> None:
    names = [f"p{number}" for number in range(5)]
    for name in names:
        world.project(name)

    seen: list[str] = []
    token: str | None = ""
    while token is not None:
        page = world.rekognition("DescribeProjects", MaxResults=2, NextToken=token)
        seen += [each["ProjectArn"].split("/")[1] for each in page["ProjectDescriptions"]]
        token = page.get("NextToken")

    assert seen == names[::-1]


@pytest.mark.parametrize("change", [{"ProjectNames": ["p1"]}, {"Features": ["CUSTOM_LABELS"]}])
def test_a_token_of_another_request_is_refused(world: World, change: dict[str, list[str]]) -> None:
    world.project("p0")
    world.project("p1")
    token = world.rekognition("DescribeProjects", MaxResults=1)["NextToken"]

    assert world.refusal("DescribeProjects", NextToken=token, **change) == "InvalidPaginationTokenException"
    assert world.refusal("DescribeProjects", NextToken="made up") == "InvalidPaginationTokenException"


def test_only_projects_without_versions_and_datasets_are_deleted(world: World) -> None:
    arn = world.project()
    world.rekognition("CreateDataset", ProjectArn=arn, DatasetType="TRAIN")

    assert world.refusal("DeleteProject", ProjectArn=arn) == "ResourceInUseException"


def test_adapters_are_not_offered(world: World) -> None:
    adapter = {"ProjectName": "x", "Feature": "CONTENT_MODERATION"}

    assert world.refusal("CreateProject", **adapter) == "InvalidParameterException"
    assert (
        world.refusal("CreateProject", ProjectName="x", AutoUpdate="ENABLED") == "InvalidParameterException"
    )
    assert world.rekognition("DescribeProjects", Features=["CONTENT_MODERATION"]) == {
        "ProjectDescriptions": []
    }


def test_another_account_sees_nothing_of_it(world: World) -> None:
    arn = world.project()
    other = Caller("999999999999", "eu-west-1", None)

    listed = world.call("rekognition", "DescribeProjects", {}, caller=other)

    assert listed == {"ProjectDescriptions": []}
    with pytest.raises(Exception, match="ResourceNotFoundException"):
        world.call("rekognition", "DeleteProject", {"ProjectArn": arn}, caller=other)


def test_the_number_of_projects_is_limited(tmp_path: Path) -> None:
    world = World(tmp_path, Limits(projects=1))
    world.project("a")

    assert world.refusal("CreateProject", ProjectName="b") == "LimitExceededException"
    world.close()
