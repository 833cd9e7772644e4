"""Custom Labels by boto3 for two accounts: every list by its paginator, both waiters, figures that add up."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.journeys.stage import Home, draw, home_in, lines_until, until

QUICK = {"Delay": 0.2, "MaxAttempts": 1200}
BUCKET, OUTPUT = "two-accounts-images", "two-accounts-output"
COPIES = "two-accounts-copies"  # the friend's own bucket
OWNER, FRIEND = "111122223333", "444455556666"
KEYS = {account: {"secret": f"secret of {account}", "account": account} for account in (OWNER, FRIEND)}
DONE = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}


def line(key: str, label: str) -> str:
    metadata = {
        "class-name": label,
        "confidence": 1.0,
        "type": "groundtruth/image-classification",
        "human-annotated": "yes",
        "creation-date": "2026-01-01T00:00:00",
    }
    return json.dumps({"source-ref": f"s3://{BUCKET}/{key}", "colour": 1, "colour-metadata": metadata})


@dataclass
class Story:
    """The owner's project with one trained version, and the clients of both accounts."""

    home: Home
    folder: Path
    owner: Any
    friend: Any
    project: str
    train: str
    test: str
    version: str = ""

    def described(self) -> dict[str, Any]:
        """The owner's version."""
        found = self.owner.describe_project_versions(ProjectArn=self.project, VersionNames=["v1"])
        return dict(found["ProjectVersionDescriptions"][0])

    def document(self, place: dict[str, Any]) -> str:
        """An object that a description names."""
        assert place["S3Object"]["Bucket"] == OUTPUT
        return (self.folder / "output" / str(place["S3Object"]["Name"])).read_text()

    def settled(self, *datasets: str) -> bool:
        return all(
            self.owner.describe_dataset(DatasetArn=arn)["DatasetDescription"]["Status"] in DONE
            for arn in datasets
        )


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """One manifest, distributed to both datasets; trained on."""
    folder = tmp_path_factory.mktemp("accounts")
    draw(folder / "images", 15)
    (folder / "output").mkdir()
    keys = sorted(str(path.relative_to(folder)) for path in (folder / "images").rglob("*.png"))
    lines = [line(key, key.split("/")[1]) for key in keys]
    (folder / "all.manifest").write_text("\n".join(["{}", *lines]))
    with home_in(folder) as home:
        home.path.mkdir()
        (home.path / "access-keys.json").write_text(json.dumps(KEYS))
        server = home.started("serve")
        lines_until(server, "customlabels serves http")
        clients = {
            account: home.client("rekognition", key=account, secret=key["secret"])
            for account, key in KEYS.items()
        }
        ours = home.client("customlabels", key=OWNER, secret=KEYS[OWNER]["secret"])
        ours.put_bucket(Name=BUCKET, Folder=str(folder))
        ours.put_bucket(Name=OUTPUT, Folder=str(folder / "output"))
        friends_s3 = home.client("s3", key=FRIEND, secret=KEYS[FRIEND]["secret"])
        friends_s3.create_bucket(Bucket=COPIES)
        owner = clients[OWNER]
        project = owner.create_project(ProjectName="colours", Tags={"team": "vision"})["ProjectArn"]
        source = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "all.manifest"}}}
        made = owner.create_dataset(ProjectArn=project, DatasetType="TRAIN", DatasetSource=source)
        train = made["DatasetArn"]
        test = owner.create_dataset(ProjectArn=project, DatasetType="TEST")["DatasetArn"]
        story = Story(home, folder, owner, clients[FRIEND], project, train, test)
        assert until(lambda: story.settled(train, test), seconds=30)
        owner.distribute_dataset_entries(Datasets=[{"Arn": test}, {"Arn": train}])
        assert until(lambda: story.settled(train, test), seconds=30)
        ours.put_training_options(ProjectName="colours", VersionName="v1", BudgetSeconds=5)
        begun = owner.create_project_version(
            ProjectArn=project, VersionName="v1", OutputConfig={"S3Bucket": OUTPUT, "S3KeyPrefix": "runs/"}
        )
        story.version = begun["ProjectVersionArn"]
        waiter = owner.get_waiter("project_version_training_completed")
        waiter.wait(ProjectArn=project, VersionNames=["v1"], WaiterConfig=QUICK)
        yield story
        for client in (ours, friends_s3, *clients.values()):
            client.close()
        server.terminate()
        server.communicate(timeout=30)


def refused(call: Any, **members: Any) -> str:
    with pytest.raises(ClientError) as refusal:
        call(**members)
    return str(refusal.value.response["Error"]["Code"])


def test_a_fifth_of_the_manifest_is_for_the_test_and_every_filter_pages_through_it(story: Story) -> None:
    def refs(dataset: str, **filters: Any) -> list[str]:
        pages = story.owner.get_paginator("list_dataset_entries").paginate(
            DatasetArn=dataset, PaginationConfig={"PageSize": 4}, **filters
        )
        return [json.loads(entry)["source-ref"] for page in pages for entry in page["DatasetEntries"]]

    assert (len(refs(story.train)), len(refs(story.test))) == (36, 9)
    assert len(refs(story.test, ContainsLabels=["red"], Labeled=True, HasErrors=False)) == 3
    assert len(refs(story.train, ContainsLabels=["red", "blue"])) == 24
    assert len(refs(story.train, SourceRefContains="/green/")) == 12
    assert refs(story.train, Labeled=False) == refs(story.train, HasErrors=True) == []
    pages = story.owner.get_paginator("list_dataset_labels").paginate(
        DatasetArn=story.train, PaginationConfig={"PageSize": 2}
    )
    labels = [each for page in pages for each in page["DatasetLabelDescriptions"]]
    assert labels == [
        {"LabelName": name, "LabelStats": {"EntryCount": 12}} for name in ("blue", "green", "red")
    ]


def test_an_update_changes_an_entry_and_tags_stay_with_each_resource(story: Story) -> None:
    [entry] = story.owner.list_dataset_entries(DatasetArn=story.train, MaxResults=1)["DatasetEntries"]
    key = json.loads(entry)["source-ref"].partition(f"{BUCKET}/")[2]

    story.owner.update_dataset_entries(
        DatasetArn=story.train, Changes={"GroundTruth": line(key, "yellow").encode()}
    )
    during = story.owner.describe_dataset(DatasetArn=story.train)["DatasetDescription"]["Status"]
    assert until(lambda: story.settled(story.train), seconds=20)
    found = story.owner.list_dataset_entries(DatasetArn=story.train, ContainsLabels=["yellow"])

    assert during in ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    assert [json.loads(each)["cl-metadata"] for each in found["DatasetEntries"]] == [{"is_labeled": True}]
    for arn in (story.project, story.train, story.version):
        story.owner.tag_resource(ResourceArn=arn, Tags={"a": "1", "b": ""})
        story.owner.untag_resource(ResourceArn=arn, TagKeys=["a", "never there"])
    tags = [
        story.owner.list_tags_for_resource(ResourceArn=arn)["Tags"] for arn in (story.project, story.version)
    ]
    assert tags == [{"team": "vision", "b": ""}, {"b": ""}]


def test_the_figures_follow_from_the_predictions(story: Story) -> None:
    described = story.described()
    result = described["EvaluationResult"]
    summary = json.loads(story.document(result["Summary"]))
    [asset] = described["TestingDataResult"]["Output"]["Assets"]
    lines = [json.loads(each) for each in story.document(asset["GroundTruthManifest"]).splitlines()]

    counts: dict[str, Counter[str]] = defaultdict(Counter)
    scores: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for each in lines:
        truth = {
            value["class-name"]
            for key, value in each.items()
            if key.startswith("rekognition-custom-labels-training-") and key.endswith("-metadata")
        }
        for value in each.values():
            details = isinstance(value, dict) and value.get("rekognition-custom-labels-evaluation-details")
            if details:
                outcomes = [name for name in details if name.startswith("is-true-") and details[name]]
                outcomes += [name for name in details if name.startswith("is-false-") and details[name]]
                assert len(outcomes) == 1
                assert details["is-present-in-ground-truth"] == (value["class-name"] in truth)
                counts[value["class-name"]][outcomes[0]] += 1
                found = outcomes[0] in ("is-true-positive", "is-false-positive")
                scores[value["class-name"]].append((value["confidence"], found))

    assert len(lines) == summary["EvaluationDetails"]["NumberOfTestingImages"] == 9
    figures = []
    for told in summary["LabelEvaluationResults"]:
        count, metrics = counts[told["Label"]], told["Metrics"]
        hits, wrong, missed = (
            count[name] for name in ("is-true-positive", "is-false-positive", "is-false-negative")
        )
        precision = hits / (hits + wrong) if hits + wrong else 0.0
        recall = hits / (hits + missed) if hits + missed else 0.0
        f1 = 2 * hits / (2 * hits + wrong + missed) if hits else 0.0
        figures.append((precision, recall, f1))
        assert (metrics["Precision"], metrics["Recall"], metrics["F1Score"]) == pytest.approx(figures[-1])
        assert told["NumberOfTestingImages"] == hits + missed == 3
        threshold = metrics["Threshold"]
        assert all(found == (score >= threshold) for score, found in scores[told["Label"]])
    means = [fmean(values) for values in zip(*figures, strict=True)]
    aggregated = summary["AggregatedEvaluationResults"]
    assert [aggregated[name] for name in ("Precision", "Recall", "F1Score")] == pytest.approx(means)
    assert result["F1Score"] == pytest.approx(means[2], abs=1e-6)
    report = (story.folder / "output/runs/DroppedLines-colours-v1.json").read_text().splitlines()
    assert [json.loads(each)["code"] for each in report] == ["ERROR_MISSING_SOURCE_REF"]


def test_an_account_sees_nothing_of_another_until_a_policy_lets_it_copy(story: Story) -> None:
    owner, friend = story.owner, story.friend
    target = friend.create_project(ProjectName="colours")["ProjectArn"]
    asked = {
        "SourceProjectArn": story.project,
        "SourceProjectVersionArn": story.version,
        "DestinationProjectArn": target,
        "VersionName": "copy",
        "OutputConfig": {"S3Bucket": COPIES, "S3KeyPrefix": "copies"},
    }
    seen = [each["ProjectArn"] for each in friend.describe_projects()["ProjectDescriptions"]]
    hidden = refused(friend.describe_project_versions, ProjectArn=story.project)
    before = refused(friend.copy_project_version, **asked)
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{FRIEND}:root"},
        "Action": "rekognition:CopyProjectVersion",
        "Resource": story.version,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    for name in ("first", "second", "third"):
        put = {"ProjectArn": story.project, "PolicyName": name, "PolicyDocument": policy}
        owner.put_project_policy(**put)
    pages = owner.get_paginator("list_project_policies").paginate(
        ProjectArn=story.project, PaginationConfig={"PageSize": 2}
    )
    names = [each["PolicyName"] for page in pages for each in page["ProjectPolicies"]]
    owner.delete_project_policy(ProjectArn=story.project, PolicyName="second")

    copy = friend.copy_project_version(**asked)["ProjectVersionArn"]
    named = {"ProjectArn": target, "VersionNames": ["copy"]}
    pages = friend.get_paginator("describe_project_versions").paginate
    copied = until(
        lambda: [
            each
            for page in pages(**named)
            for each in page["ProjectVersionDescriptions"]
            if each["Status"] == "COPYING_COMPLETED"
        ],
        seconds=30,
    )
    friend.start_project_version(ProjectVersionArn=copy, MinInferenceUnits=1)
    friend.get_waiter("project_version_running").wait(**named, WaiterConfig=QUICK)
    owner.start_project_version(ProjectVersionArn=story.version, MinInferenceUnits=1)
    running = owner.get_waiter("project_version_running")
    running.wait(ProjectArn=story.project, VersionNames=["v1"], WaiterConfig=QUICK)
    image = {"Bytes": (story.folder / "images/red/00.png").read_bytes()}
    answers = [
        client.detect_custom_labels(ProjectVersionArn=arn, Image=image, MinConfidence=0)["CustomLabels"]
        for client, arn in ((owner, story.version), (friend, copy))
    ]

    assert seen == [target]
    assert (hidden, before) == ("ResourceNotFoundException", "AccessDeniedException")
    assert names == ["third", "second", "first"]
    assert copied[0]["SourceProjectVersionArn"] == story.version
    assert copied[0]["EvaluationResult"]["F1Score"] == story.described()["EvaluationResult"]["F1Score"]
    assert answers[0] == answers[1]
    assert len(answers[0]) == 3
    assert (
        refused(owner.detect_custom_labels, ProjectVersionArn=copy, Image=image)
        == "ResourceNotFoundException"
    )
    projects = owner.get_paginator("describe_projects").paginate(PaginationConfig={"PageSize": 1})
    assert [each["ProjectArn"] for page in projects for each in page["ProjectDescriptions"]] == [
        story.project
    ]
