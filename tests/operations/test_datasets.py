"""Datasets: their content, their states, their pages."""

import json

import pytest
from sqlalchemy import func, select
from tests.operations.world import IMAGES, OUTPUT, World, manifest_line

from customlabels.storage import schema


def test_a_dataset_is_created_from_a_manifest_and_keeps_its_own_copy(world: World) -> None:
    project = world.project()
    source = world.put_manifest("a.manifest", [manifest_line(at) for at in range(6)])

    arn = world.rekognition("CreateDataset", ProjectArn=project, DatasetType="TRAIN", DatasetSource=source)[
        "DatasetArn"
    ]
    before = world.described_dataset(arn)
    world.settle()
    world.objects.delete(IMAGES, "a.manifest")
    after = world.described_dataset(arn)

    assert arn.startswith(f"{project.rpartition('/')[0]}/dataset/train/")
    assert (before["Status"], before["DatasetStats"]["TotalEntries"]) == ("CREATE_IN_PROGRESS", 0)
    assert (after["Status"], after["StatusMessageCode"]) == ("CREATE_COMPLETE", "SUCCESS")
    assert after["StatusMessage"] == "The dataset was successfully created from the manifest file."
    assert after["DatasetStats"] == {
        "LabeledEntries": 6,
        "TotalEntries": 6,
        "TotalLabels": 2,
        "ErrorEntries": 0,
    }


def test_a_copy_shares_the_content_and_outlives_its_source(world: World) -> None:
    source = world.dataset(world.project("source"), "TRAIN")
    target = world.project("target")

    copy = world.rekognition(
        "CreateDataset", ProjectArn=target, DatasetType="TEST", DatasetSource={"DatasetArn": source}
    )["DatasetArn"]
    world.rekognition("DeleteDataset", DatasetArn=source)
    world.settle()

    assert world.described_dataset(copy)["DatasetStats"]["TotalEntries"] == 6
    assert len(world.rekognition("ListDatasetEntries", DatasetArn=copy)["DatasetEntries"]) == 6


def test_the_last_reference_takes_the_rows_with_it(world: World) -> None:
    arn = world.dataset(world.project(), "TRAIN")

    world.rekognition("DeleteDataset", DatasetArn=arn)
    world.settle()

    assert world.refusal("DescribeDataset", DatasetArn=arn) == "ResourceNotFoundException"
    with world.records.read() as reading:
        for table in (schema.revisions, schema.entries, schema.entry_labels):
            assert reading.execute(select(func.count()).select_from(table)).scalar() == 0


def test_an_empty_dataset_has_no_entries_until_it_is_updated(world: World) -> None:
    project = world.project()
    arn = world.rekognition("CreateDataset", ProjectArn=project, DatasetType="TRAIN")["DatasetArn"]
    assert world.rekognition("ListDatasetEntries", DatasetArn=arn) == {"DatasetEntries": []}
    changes = "\n".join([manifest_line(0, "cat"), manifest_line(1), manifest_line(0, "dog")])

    world.rekognition("UpdateDatasetEntries", DatasetArn=arn, Changes={"GroundTruth": changes.encode()})
    assert world.described_dataset(arn)["Status"] == "UPDATE_IN_PROGRESS"
    assert world.refusal("DeleteDataset", DatasetArn=arn) == "ResourceInUseException"
    world.settle()

    assert world.described_dataset(arn)["Status"] == "UPDATE_COMPLETE"
    labels = world.rekognition("ListDatasetLabels", DatasetArn=arn)["DatasetLabelDescriptions"]
    assert labels == [{"LabelName": "dog", "LabelStats": {"EntryCount": 2}}]


def test_an_update_replaces_lines_of_known_images_and_appends_the_others(world: World) -> None:
    arn = world.dataset(world.project(), "TRAIN", 3)
    changes = f"{manifest_line(1, 'bird')}\n{manifest_line(7)}\n"

    world.rekognition("UpdateDatasetEntries", DatasetArn=arn, Changes={"GroundTruth": changes.encode()})
    world.settle()
    entries = world.rekognition("ListDatasetEntries", DatasetArn=arn)["DatasetEntries"]

    seen = [
        (json.loads(e)["source-ref"][-5:], json.loads(e)["label-metadata"]["class-name"]) for e in entries
    ]
    assert [label for _ref, label in seen] == ["cat", "bird", "cat", "dog"]
    with world.records.read() as reading:
        assert reading.execute(select(func.count()).select_from(schema.payloads)).scalar() == 0
        assert reading.execute(select(func.count()).select_from(schema.revisions)).scalar() == 1


def test_an_update_that_breaks_a_rule_leaves_the_content_as_it_was(world: World) -> None:
    arn = world.dataset(world.project(), "TRAIN", 3)
    elsewhere = manifest_line(9, bucket="another-bucket").encode()

    world.rekognition("UpdateDatasetEntries", DatasetArn=arn, Changes={"GroundTruth": elsewhere})
    world.settle()
    described = world.described_dataset(arn)

    assert (described["Status"], described["StatusMessageCode"]) == ("UPDATE_FAILED", "CLIENT_ERROR")
    assert described["StatusMessage"].startswith(
        "The manifest file contains images from multiple S3 buckets."
    )
    assert described["DatasetStats"]["TotalEntries"] == 3


def test_a_manifest_that_cannot_be_used_fails_the_dataset_with_its_text(world: World) -> None:
    project = world.project()
    source = world.put_manifest("bad.manifest", ["not json", "nor this"])

    arn = world.rekognition("CreateDataset", ProjectArn=project, DatasetType="TRAIN", DatasetSource=source)[
        "DatasetArn"
    ]
    world.settle()
    described = world.described_dataset(arn)

    assert (described["Status"], described["StatusMessageCode"]) == ("CREATE_FAILED", "CLIENT_ERROR")
    assert described["StatusMessage"].startswith("The manifest file has too many terminal errors.")
    assert world.refusal("ListDatasetEntries", DatasetArn=arn) == "ResourceNotReadyException"
    again = {"ProjectArn": project, "DatasetType": "TRAIN", "DatasetSource": source}
    assert world.refusal("CreateDataset", **again) == "ResourceAlreadyExistsException"
    with world.records.read() as reading:
        assert reading.execute(select(func.count()).select_from(schema.revisions)).scalar() == 0


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ({}, "InvalidParameterException"),
        ({"GroundTruthManifest": {}}, "InvalidParameterException"),
        ({"GroundTruthManifest": {"S3Object": {"Bucket": IMAGES}}}, "InvalidParameterException"),
        ({"GroundTruthManifest": {"S3Object": {"Bucket": IMAGES, "Name": "no"}}}, "InvalidS3ObjectException"),
        (
            {"GroundTruthManifest": {"S3Object": {"Bucket": "unknown", "Name": "no"}}},
            "InvalidS3ObjectException",
        ),
    ],
)
def test_sources_that_cannot_be_used_are_refused_at_once(
    world: World, source: dict[str, object], code: str
) -> None:
    arn = world.project()

    assert world.refusal("CreateDataset", ProjectArn=arn, DatasetType="TRAIN", DatasetSource=source) == code


def test_a_source_dataset_must_exist_and_be_complete(world: World) -> None:
    project = world.project("a")
    source = world.put_manifest("a.manifest", [manifest_line(0)])
    busy = world.rekognition("CreateDataset", ProjectArn=project, DatasetType="TRAIN", DatasetSource=source)[
        "DatasetArn"
    ]
    gone = busy.replace("/a/", "/b/")
    copies = {"ProjectArn": project, "DatasetType": "TEST"}

    assert (
        world.refusal("CreateDataset", **copies, DatasetSource={"DatasetArn": busy})
        == "InvalidParameterException"
    )
    assert (
        world.refusal("CreateDataset", **copies, DatasetSource={"DatasetArn": gone})
        == "ResourceNotFoundException"
    )
    assert world.refusal("ListDatasetLabels", DatasetArn=busy) == "ResourceNotReadyException"


def test_entries_come_in_order_filtered_and_in_pages(world: World) -> None:
    arn = world.dataset(world.project(), "TRAIN", 6)

    first = world.rekognition("ListDatasetEntries", DatasetArn=arn, ContainsLabels=["cat"], MaxResults=2)
    rest = world.rekognition(
        "ListDatasetEntries",
        DatasetArn=arn,
        ContainsLabels=["cat"],
        MaxResults=2,
        NextToken=first["NextToken"],
    )

    refs = [json.loads(e)["source-ref"] for e in first["DatasetEntries"] + rest["DatasetEntries"]]
    assert refs == [f"s3://{IMAGES}/{at}.png" for at in (0, 2, 4)]
    assert "NextToken" not in rest
    assert json.loads(first["DatasetEntries"][0])["cl-metadata"] == {"is_labeled": True}


def test_has_errors_false_means_all_entries(world: World) -> None:
    arn = world.dataset(world.project(), "TRAIN", 2)

    assert (
        len(world.rekognition("ListDatasetEntries", DatasetArn=arn, HasErrors=False)["DatasetEntries"]) == 2
    )
    assert world.rekognition("ListDatasetEntries", DatasetArn=arn, HasErrors=True) == {"DatasetEntries": []}
    assert world.rekognition("ListDatasetEntries", DatasetArn=arn, Labeled=False) == {"DatasetEntries": []}


def test_labels_come_in_pages(world: World) -> None:
    arn = world.dataset(world.project(), "TRAIN", 6)

    first = world.rekognition("ListDatasetLabels", DatasetArn=arn, MaxResults=1)
    rest = world.rekognition("ListDatasetLabels", DatasetArn=arn, MaxResults=1, NextToken=first["NextToken"])

    assert first["DatasetLabelDescriptions"] == [{"LabelName": "cat", "LabelStats": {"EntryCount": 3}}]
    assert rest == {"DatasetLabelDescriptions": [{"LabelName": "dog", "LabelStats": {"EntryCount": 3}}]}


def test_the_two_datasets_of_a_project_are_listed_test_first(world: World) -> None:
    project = world.project()
    train, test = world.dataset(project, "TRAIN"), world.dataset(project, "TEST")

    (described,) = world.rekognition("DescribeProjects")["ProjectDescriptions"]

    assert [each["DatasetArn"] for each in described["Datasets"]] == [test, train]
    assert all(
        each["StatusMessage"] and each["StatusMessageCode"] == "SUCCESS" for each in described["Datasets"]
    )


def test_lines_that_are_left_out_can_be_listed_with_what_would_be_right(world: World) -> None:
    project = world.project()
    lines = [manifest_line(at) for at in range(9)]
    source = world.put_manifest("some.manifest", ["{}", *lines, lines[3]])

    arn = world.rekognition("CreateDataset", ProjectArn=project, DatasetType="TRAIN", DatasetSource=source)[
        "DatasetArn"
    ]
    world.settle()
    first = world.customlabels("ListDroppedLines", DatasetArn=arn, MaxResults=1)
    rest = world.customlabels("ListDroppedLines", DatasetArn=arn, NextToken=first["NextToken"])

    told = world.described_dataset(arn)["StatusMessage"]
    assert told.startswith(
        "The dataset was successfully created from the manifest file. 2 lines were left out"
    )
    assert "line 1: the line has no 'source-ref'" in told
    found = [(each["Line"], each["Code"]) for each in first["Lines"] + rest["Lines"]]
    assert found == [(1, "ERROR_MISSING_SOURCE_REF"), (11, "ERROR_REPEATED_SOURCE_REF")]
    assert all(each["Reason"] and each["Advice"] for each in first["Lines"])
    world.train(project)
    world.settle()
    report = world.objects.read(OUTPUT, "runs/DroppedLines-animals-v1.json").decode().splitlines()
    assert [json.loads(each)["line"] for each in report] == [1, 11]


def test_the_lines_of_a_failed_operation_can_be_listed_until_the_next_one(world: World) -> None:
    arn = world.dataset(world.project(), "TRAIN", 3)
    bad = f"{manifest_line(7)}\noops\noops".encode()

    world.rekognition("UpdateDatasetEntries", DatasetArn=arn, Changes={"GroundTruth": bad})
    world.settle()
    failed = world.customlabels("ListDroppedLines", DatasetArn=arn)["Lines"]
    told = world.described_dataset(arn)["StatusMessage"]
    good = manifest_line(7).encode()
    world.rekognition("UpdateDatasetEntries", DatasetArn=arn, Changes={"GroundTruth": good})
    world.settle()

    assert [each["Line"] for each in failed] == [2, 3]
    assert "2 of 3 lines cannot be used; at most 20% may be left out" in told
    assert world.customlabels("ListDroppedLines", DatasetArn=arn) == {"Lines": []}
