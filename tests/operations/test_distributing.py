"""DistributeDatasetEntries: a fifth of the training entries becomes the test dataset."""

import json
from typing import Any

import pytest
from tests.operations.world import IMAGES, World, manifest_line


def both(world: World, lines: list[str]) -> tuple[str, str]:
    """A training dataset with these lines and an empty test dataset."""
    project = world.project()
    made: Any = {"ProjectArn": project, "DatasetType": "TRAIN"}
    source = world.put_manifest("all.manifest", lines)
    train = world.rekognition("CreateDataset", **made, DatasetSource=source)["DatasetArn"]
    test = world.rekognition("CreateDataset", ProjectArn=project, DatasetType="TEST")["DatasetArn"]
    world.settle()
    return train, test


def refs(world: World, arn: str) -> list[str]:
    entries = world.rekognition("ListDatasetEntries", DatasetArn=arn)["DatasetEntries"]
    return [json.loads(entry)["source-ref"] for entry in entries]


def distribute(world: World, *arns: str) -> None:
    world.rekognition("DistributeDatasetEntries", Datasets=[{"Arn": arn} for arn in arns])


def test_a_fifth_moves_and_both_datasets_say_so(world: World) -> None:
    train, test = both(world, [manifest_line(at) for at in range(20)])

    distribute(world, test, train)
    during = [world.described_dataset(arn)["Status"] for arn in (train, test)]
    world.settle()

    assert during == ["UPDATE_IN_PROGRESS"] * 2
    kept, moved = refs(world, train), refs(world, test)
    assert (len(kept), len(moved)) == (16, 4)
    assert sorted(kept + moved) == sorted(f"s3://{IMAGES}/{at}.png" for at in range(20))
    for arn, entries in ((train, 16), (test, 4)):
        described = world.described_dataset(arn)
        assert described["Status"] == "UPDATE_COMPLETE"
        assert described["DatasetStats"]["TotalEntries"] == entries
        assert described["DatasetStats"]["TotalLabels"] == 2
        labels = world.rekognition("ListDatasetLabels", DatasetArn=arn)["DatasetLabelDescriptions"]
        assert [each["LabelStats"]["EntryCount"] for each in labels] == [entries // 2] * 2
    (found,) = refs_containing(world, test, moved[0])
    assert found == moved[0]


def refs_containing(world: World, arn: str, text: str) -> list[str]:
    found = world.rekognition("ListDatasetEntries", DatasetArn=arn, SourceRefContains=text)
    return [json.loads(entry)["source-ref"] for entry in found["DatasetEntries"]]


def test_a_distributed_dataset_can_be_updated_and_trained_on(world: World) -> None:
    train, test = both(world, [manifest_line(at) for at in range(10)])
    distribute(world, train, test)
    world.settle()
    line = manifest_line(99, "cat").encode()

    world.rekognition("UpdateDatasetEntries", DatasetArn=train, Changes={"GroundTruth": line})
    world.settle()
    project = world.rekognition("DescribeProjects")["ProjectDescriptions"][0]["ProjectArn"]
    world.train(project)
    world.settle()

    assert refs(world, train)[-1] == f"s3://{IMAGES}/99.png"
    (spec,) = world.trainer.specs
    assert spec.test_manifest is not None


@pytest.mark.parametrize("lines", [[], [manifest_line(0, "cat")], [manifest_line(0), manifest_line(1)]])
def test_too_few_images_fail_both_and_change_neither(world: World, lines: list[str]) -> None:
    train, test = both(world, lines or [manifest_line(0)])
    if not lines:
        world.rekognition("DeleteDataset", DatasetArn=train)
        project = world.rekognition("DescribeProjects")["ProjectDescriptions"][0]["ProjectArn"]
        train = world.rekognition("CreateDataset", ProjectArn=project, DatasetType="TRAIN")["DatasetArn"]

    distribute(world, train, test)
    world.settle()

    for arn in (train, test):
        described = world.described_dataset(arn)
        assert (described["Status"], described["StatusMessageCode"]) == ("UPDATE_FAILED", "CLIENT_ERROR")
        assert described["StatusMessage"].startswith(
            "The manifest file doesn't have enough labeled images to distribute the dataset."
        )
    assert len(refs(world, train)) == len(lines)


def test_datasets_that_do_not_belong_together_are_refused(world: World) -> None:
    train, test = both(world, [manifest_line(at) for at in range(10)])
    elsewhere = world.dataset(world.project("other"), "TRAIN", 4)
    full = world.dataset(world.project("third"), "TEST", 4)
    third = world.dataset(world.project_of(full), "TRAIN", 5)

    def refusal(*arns: str) -> str:
        return world.refusal("DistributeDatasetEntries", Datasets=[{"Arn": arn} for arn in arns])

    assert refusal(train, train) == "InvalidParameterException"
    assert refusal(train, elsewhere) == "InvalidParameterException"
    assert refusal(elsewhere, test) == "InvalidParameterException"
    assert refusal(third, full) == "InvalidParameterException"
    assert refusal(train, test.replace("/animals/", "/gone/")) == "ResourceNotFoundException"


def test_a_dataset_that_is_not_complete_is_not_ready(world: World) -> None:
    project = world.project()
    source = world.put_manifest("a.manifest", [manifest_line(at) for at in range(4)])
    made: Any = {"ProjectArn": project, "DatasetType": "TRAIN", "DatasetSource": source}

    train = world.rekognition("CreateDataset", **made)["DatasetArn"]
    test = world.rekognition("CreateDataset", ProjectArn=project, DatasetType="TEST")["DatasetArn"]

    pair = [{"Arn": train}, {"Arn": test}]
    assert world.refusal("DistributeDatasetEntries", Datasets=pair) == "ResourceNotReadyException"
