"""Tags."""

from tests.operations.world import World


def test_tags_are_given_at_creation_changed_and_taken_away(world: World) -> None:
    arn = str(
        world.rekognition("CreateProject", ProjectName="p", Tags={"team": "a", "cost": "1"})["ProjectArn"]
    )

    world.rekognition("TagResource", ResourceArn=arn, Tags={"team": "b"})
    world.rekognition("UntagResource", ResourceArn=arn, TagKeys=["cost", "never there"])

    assert world.rekognition("ListTagsForResource", ResourceArn=arn) == {"Tags": {"team": "b"}}


def test_versions_and_datasets_have_tags_and_lists_are_never_absent(world: World) -> None:
    version = world.trained()
    project = world.project_of(version)
    (dataset, _other) = world.rekognition("DescribeProjects")["ProjectDescriptions"][0]["Datasets"]

    for arn in (version, project, dataset["DatasetArn"]):
        assert world.rekognition("ListTagsForResource", ResourceArn=arn) == {"Tags": {}}


def test_tags_go_with_their_resource(world: World) -> None:
    arn = str(world.rekognition("CreateProject", ProjectName="p", Tags={"team": "a"})["ProjectArn"])
    world.rekognition("DeleteProject", ProjectArn=arn)

    assert world.refusal("ListTagsForResource", ResourceArn=arn) == "ResourceNotFoundException"
    assert world.refusal("TagResource", ResourceArn=arn, Tags={"a": "b"}) == "ResourceNotFoundException"


def test_too_many_tags_and_reserved_keys_are_refused(world: World) -> None:
    arn = world.project()
    world.rekognition("TagResource", ResourceArn=arn, Tags={f"k{n}": "" for n in range(200)})

    assert world.refusal("TagResource", ResourceArn=arn, Tags={"more": ""}) == "ServiceQuotaExceededException"
    assert world.refusal("TagResource", ResourceArn=arn, Tags={"aws:x": ""}) == "ValidationException"
    assert len(world.rekognition("ListTagsForResource", ResourceArn=arn)["Tags"]) == 200
