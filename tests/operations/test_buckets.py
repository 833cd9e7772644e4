"""Buckets as registered folders."""

from pathlib import Path

from tests.operations.world import IMAGES, World


def test_a_folder_is_registered_once_and_listed_by_name(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    folder.mkdir()

    first = world.customlabels("PutBucket", Name="another", Folder=str(folder))
    again = world.customlabels("PutBucket", Name="another", Folder=str(folder))

    assert first == again
    names = [bucket["Name"] for bucket in world.customlabels("ListBuckets")["Buckets"]]
    assert names == ["another", "images-of-mine", "results-of-mine"]


def test_a_name_may_stand_for_another_folder_while_no_dataset_uses_it(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    moved = {"Name": IMAGES, "Folder": str(folder)}
    dataset = world.dataset(world.project(), "TRAIN")

    assert world.refusal("PutBucket", "customlabels", **moved) == "ResourceInUseException"
    assert world.refusal("DeleteBucket", "customlabels", Name=IMAGES) == "ResourceInUseException"
    world.rekognition("DeleteDataset", DatasetArn=dataset)
    assert world.customlabels("PutBucket", **moved)["Bucket"]["Folder"] == str(folder)
    assert world.customlabels("DeleteBucket", Name=IMAGES) == {}
    assert world.refusal("DeleteBucket", "customlabels", Name=IMAGES) == "ResourceNotFoundException"


def test_a_folder_must_be_there(world: World, tmp_path: Path) -> None:
    for folder in ("relative", str(tmp_path / "none")):
        refused = world.refusal("PutBucket", "customlabels", Name="another", Folder=folder)
        assert refused == "InvalidParameterException"
