"""Reports of models that were really trained: what they say, their size, and that they stay inside."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.training.shapes import LABELS, image_lines, line, spec_on, trained_once, written

from customlabels.errors import InvalidInput
from customlabels.inference import BOXES, MULTI_LABEL, SINGLE_LABEL
from customlabels.operations import OwnObjects
from customlabels.pipeline import place_of, report_text
from customlabels.pipeline.report_advice import suspected
from customlabels.pipeline.report_pages import MOST_BYTES
from customlabels.pipeline.report_places import Place
from customlabels.storage import Objects
from customlabels.training import TrainingSpec, train

HOSTILE = "<img src=x onerror=alert(1)>\"'&amp;"
SCHEMA: dict[str, Any] = {
    "Version": int,
    "Run": {"Project": str, "Version": str, "Results": str},
    "Verdict": {
        "Decision": str,
        "Headline": str,
        "Reasons": [str],
        "Rules": [{"Value": float, "Bound": float}],
    },
    "Figures": {"Split": str, "Protocol": str, "Images": int, "F1Score": float, "F1Interval": [float]},
    "Labels": [{"Label": str, "TestImages": int, "Precision": float, "RecallInterval": [float]}],
    "Curves": [{"Label": str, "Points": [[float]], "At": [float]}],
    "Confusions": {
        "Right": dict,
        "Wanted": dict,
        "Pairs": [{"Count": int, "Images": [str]}],
        "MorePairs": int,
    },
    "Mistakes": {"Wrong": {"Count": int, "Worst": [{"Image": str}]}, "Missed": {"Count": int}},
    "WaysToPass": dict,
    "Data": {"TrainingImages": int, "TestImages": int, "Lines": dict},
    "Digests": {
        "test set": str,
        "data": str,
        "model.onnx": str,
        "the weights it began with, drawn images": str,
    },
    "Copies": [dict],
    "Training": {"Kind": str, "Curves": dict},
    "Seed": int,
    "Environment": {"python": str},
    "Notes": [str],
}


def breaches(told: Any, wanted: Any, place: str = "report") -> list[str]:
    """Where a JSON value is not as the schema says; more than the schema says may be there."""
    if isinstance(wanted, dict):
        missing = [f"{place}.{name}" for name in wanted if name not in told]
        inside = (breaches(told[name], wanted[name], f"{place}.{name}") for name in wanted if name in told)
        return missing + [each for found in inside for each in found]
    if isinstance(wanted, list):
        return [each for one in told for each in breaches(one, wanted[0], f"{place}[]")]
    fits = isinstance(told, int | float) if wanted is float else isinstance(told, wanted)
    return [] if fits else [f"{place}: {told!r} is no {wanted.__name__}"]


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    @property
    def addresses(self) -> list[str]:
        """Everything that a browser may follow or fetch."""
        names = ("href", "src", "srcset", "action", "data", "poster", "xlink:href")
        return [value or "" for _, attrs in self.tags for name, value in attrs.items() if name in names]


def own(folders: Mapping[str, Path]) -> OwnObjects:
    """The objects of these buckets."""
    return OwnObjects(Objects(folders.get), lambda _bucket: True)


def judged(spec: TrainingSpec, decision: str, f1: float) -> tuple[Place, OwnObjects]:
    """The place of a trained version's results, with the record that the workflow writes."""
    record = {
        "Decision": decision,
        "F1Score": f1,
        "F1Threshold": 0.85,
        "Reasons": [f"The F1 score {f1 + 1e-9} is not above the threshold 0.85."],
        "RecordedAt": "2026-01-01T00:00:00Z",
    }
    (spec.buckets["output"] / "runs" / "decision.json").write_text(json.dumps(record))
    return Place("output", "runs", "shapes", "v1"), own(spec.buckets)


@pytest.fixture(scope="module", params=[SINGLE_LABEL, MULTI_LABEL, BOXES])
def rejected(
    request: pytest.FixtureRequest,
    hostile: tuple[Place, OwnObjects],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Place, OwnObjects]:
    """A run of each kind, trained for a second and rejected."""
    if request.param == SINGLE_LABEL:
        return hostile
    spec, outcome = trained_once(tmp_path_factory, request.param)
    return judged(spec, "REJECTED", outcome.f1)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, OwnObjects]:
    """A run whose labels are markup; a test image is a copy of a training image."""
    spec = spec_on(tmp_path_factory.mktemp("hostile"))
    bucket = spec.buckets["images"]
    names = {LABELS[0]: HOSTILE, LABELS[1]: "{{ 7 * 7 }}", LABELS[2]: "</style><script>x</script>"}

    def lines(part: str, each: int) -> list[dict[str, Any]]:
        drawn = [image_lines(bucket, part, each, (label,)) for label in LABELS]
        return [
            line(one["source-ref"], names[label])
            for label, told in zip(LABELS, drawn, strict=True)
            for one in told
        ]

    written(spec.train_manifest, lines("train", 8))
    written(spec.train_manifest.with_name("test.manifest"), lines("test", 4))
    (bucket / "test" / "cross-0.png").write_bytes((bucket / "train" / "cross-1.png").read_bytes())
    return judged(spec, "REJECTED", train(spec, lambda _: None, lambda: False).f1)


def facts(place: Place, objects: OwnObjects) -> dict[str, Any]:
    told = json.loads(report_text(place, objects, as_json=True))
    assert isinstance(told, dict)
    return told


def test_the_json_keeps_its_schema(rejected: tuple[Place, OwnObjects]) -> None:
    assert breaches(facts(*rejected), SCHEMA) == []


def test_every_figure_agrees_with_the_summary(rejected: tuple[Place, OwnObjects]) -> None:
    place, objects = rejected
    told = facts(place, objects)
    summary = json.loads(objects.read(*place.document("EvaluationResultSummary")) or b"")

    assert told["Figures"]["F1Score"] == pytest.approx(summary["AggregatedEvaluationResults"]["F1Score"])
    wanted = {each["Label"]: each["Metrics"]["F1Score"] for each in summary["LabelEvaluationResults"]}
    assert {each["Label"]: each["F1Score"] for each in told["Labels"]} == pytest.approx(wanted)
    counts = summary["CustomLabels"]["LabelCounts"]
    for each in told["Labels"]:
        assert each["Wrong"] == counts[each["Label"]]["FalsePositives"]
        assert each["Missed"] == counts[each["Label"]]["FalseNegatives"]
    assert told["Mistakes"]["Wrong"]["Count"] == sum(each["FalsePositives"] for each in counts.values())
    assert told["Mistakes"]["Missed"]["Count"] == sum(each["FalseNegatives"] for each in counts.values())
    low, high = told["Figures"]["F1Interval"]
    assert low <= told["Figures"]["F1Score"] <= high


def test_a_page_is_one_small_file_that_asks_for_nothing(rejected: tuple[Place, OwnObjects]) -> None:
    text = report_text(*rejected)
    page = Page(text)

    assert len(text.encode()) <= MOST_BYTES
    assert all(each.startswith(("#", "data:image/jpeg;base64,")) for each in page.addresses)
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in page.tags}
    assert "url(" not in text
    assert "@import" not in text


def test_a_page_says_the_verdict_first_and_shows_pictures(rejected: tuple[Place, OwnObjects]) -> None:
    page = Page(report_text(*rejected))
    told = facts(*rejected)

    headings = [tag for tag, _ in page.tags if tag in ("h1", "h2")]
    assert headings[:2] == ["h1", "h2"]
    assert page.words.index("REJECTED") < page.words.index("Rules")
    assert f"{told['Figures']['F1Score']:.3f}" in page.words
    wrong = told["Mistakes"]["Wrong"]["Count"] + told["Mistakes"]["Missed"]["Count"]
    doubtful = told.get("LabelErrors", {}).get("Count", 0)
    copies = len(told["Copies"])
    assert any(tag == "image" for tag, _ in page.tags) == bool(wrong + doubtful + copies)


def test_every_link_of_a_page_leads_somewhere_and_every_drawing_has_words(
    rejected: tuple[Place, OwnObjects],
) -> None:
    page = Page(report_text(*rejected))

    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    links = {each[1:] for each in page.addresses if each.startswith("#")}
    assert links <= set(ids)
    assert len(ids) == len(set(ids))
    drawings = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert all(attrs.get("aria-label") or attrs.get("aria-hidden") for attrs in drawings)


def test_a_label_that_is_markup_stays_a_word(hostile: tuple[Place, OwnObjects]) -> None:
    page = Page(report_text(*hostile))

    assert HOSTILE in page.words
    assert "{{ 7 * 7 }}" in page.words
    assert not [attrs for tag, attrs in page.tags if tag in ("img", "script") or "onerror" in attrs]


def test_a_copy_in_the_other_set_is_named(hostile: tuple[Place, OwnObjects]) -> None:
    told = facts(*hostile)

    images = {"Image": "s3://images/test/cross-0.png", "Of": "s3://images/train/cross-1.png"}
    leaked = [each for each in told["Copies"] if each["Split"] != each["OfSplit"]]
    assert leaked == [images | {"Split": "test", "OfSplit": "training"}]


def test_labels_are_doubted_among_all_images_that_something_has_spoken_of() -> None:
    def kept(name: str, truth: int, scores: list[float]) -> dict[str, Any]:
        return {"Image": name, "Truth": [truth], "Scores": scores}

    right = [kept(f"{at}", at % 2, [[0.9, 0.1], [0.1, 0.9]][at % 2]) for at in range(20)]
    record = {"Labels": ["a", "b"], "Kind": SINGLE_LABEL, "OutOfFold": {"Kept": right}}
    wrong = record | {"LeftOut": {"Kept": [kept("wrong", 0, [0.05, 0.95])]}}

    images, doubted = suspected(wrong)

    assert [(images[each.image], each.given, each.likely) for each in doubted] == [("wrong", 0, 1)]
    assert suspected(record) == ([each["Image"] for each in right], [])


def test_a_page_never_grows_beyond_its_limit(
    rejected: tuple[Place, OwnObjects], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = report_text(*rejected)
    pictures = sum(map(len, re.findall('data:image/[^"]+', whole)))  # none where the model made no mistake
    limit = len(whole.encode()) - pictures // 2
    monkeypatch.setattr("customlabels.pipeline.report_pages.MOST_BYTES", limit)

    text = report_text(*rejected)

    assert len(text.encode()) <= limit
    assert ("pictures were left out" in text) == (pictures > 0)


class Forgetful(OwnObjects):
    """A bucket of AWS: what only we leave there is missing, and the summary has nothing of ours."""

    def read(self, bucket: str, key: str, *, limit: int | None = None) -> bytes | None:
        data = None if "TrainingRecord" in key else super().read(bucket, key, limit=limit)
        if data is not None and "EvaluationResultSummary" in key:
            told = json.loads(data)
            del told["CustomLabels"]
            return json.dumps(told).encode()
        return data


class Unlisted(OwnObjects):
    """A bucket that the caller may read but not list."""

    def keys(self, bucket: str, prefix: str) -> Iterator[str]:
        raise InvalidInput(f"s3://{bucket}/{prefix}*: AccessDenied")


def test_versions_that_a_test_set_has_judged_are_counted_without_a_judge(
    rejected: tuple[Place, OwnObjects], tmp_path: Path
) -> None:
    place, objects = rejected
    results = objects.objects.path(place.bucket, place.prefix)
    assert results is not None
    for number in range(10):
        shutil.copytree(results, tmp_path / f"out/shapes/v{number}", copy_function=os.link)
    summary = f"out/shapes/v1/{Path(place.document('EvaluationResultSummary')[1]).name}"
    version = {"EvaluationResult": {"Summary": {"S3Object": {"Bucket": "output", "Name": summary}}}}
    for file in tmp_path.glob("out/shapes/*/decision.json"):
        told = json.loads(file.read_text()) | {"Version": version}
        file.unlink()
        file.write_text(json.dumps(told))

    here, objects = Place("output", "out/shapes/v1", "shapes", "v1"), own({"output": tmp_path})
    page = Page(report_text(here, objects))
    unlisted = facts(here, Unlisted(objects.objects, objects.may_use))

    assert "This test set has judged 10 versions, this one included." in page.words
    assert "models are chosen by it" in page.words
    assert not list(tmp_path.glob("out/test-sets/*"))
    assert "cannot be told: s3://output/out/*: AccessDenied" in " ".join(unlisted["Notes"])
    assert "has judged" not in Page(report_text(*rejected)).words


def test_what_aws_does_not_give_is_named(rejected: tuple[Place, OwnObjects]) -> None:
    place, objects = rejected
    aws = Forgetful(objects.objects, objects.may_use)

    told = json.loads(report_text(place, aws, as_json=True))

    assert told["Figures"]["Protocol"] == "test-tuned thresholds"
    assert not {"Training", "Seed", "LabelErrors", "Copies"} & set(told)
    assert any(note.startswith("Local only") for note in told["Notes"])
    assert all(each["TrainingImages"] > 0 for each in told["Labels"])
    assert Page(report_text(place, aws)).words.count("Local only") == 1


def test_a_run_that_failed_early_has_a_report_of_its_failure(tmp_path: Path) -> None:
    record = {"Decision": "FAILED", "Error": "TrainingFailed", "Cause": "too few labels", "Input": {}}
    (tmp_path / "decision.json").write_text(json.dumps(record))

    page = Page(report_text(Place("output", "", "p", "v"), own({"output": tmp_path})))

    assert "TrainingFailed: too few labels" in page.words


def test_where_nothing_lies_there_is_nothing_to_report(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"nothing to report: neither s3://output/p/decision\.json"):
        report_text(Place("output", "p", "p", "v"), own({"output": tmp_path}))


EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:m:one"


def answers(config: Mapping[str, Any] | None, **run: Any) -> Any:
    """The APIs of a run without a version."""
    output = json.dumps({"Config": config})
    told = {
        "DescribeExecution": {"name": "one", "status": "FAILED", "input": "{}", **run},
        "GetExecutionHistory": {"events": [{"stateExitedEventDetails": {"output": output}}]},
        "DescribeProjects": {"ProjectDescriptions": []},
    }
    return lambda _service, name, _params: told[name]


def test_the_place_of_a_run_is_in_its_merged_input() -> None:
    config = {"OutputBucket": "b", "OutputPrefix": "o", "ProjectName": "p", "VersionName": "v-one"}

    place = place_of(answers(config), EXECUTION)

    assert replace(place, status="") == Place("b", "o/p/v-one", "p", "v-one", execution_arn=EXECUTION)


@pytest.mark.parametrize(
    ("ask", "arn", "words"),
    [
        (answers(None, status="RUNNING"), EXECUTION, "is RUNNING"),
        (answers(None, error="InvalidInput", cause="no bucket"), EXECUTION, "InvalidInput: no bucket"),
        (answers(None), "arn:aws:s3:::bucket", "neither an execution nor a version"),
        (answers(None), "arn:aws:rekognition:r:1:project/p/version/v/1", "there is no arn"),
    ],
    ids=["running", "no place", "another arn", "no version"],
)
def test_a_run_without_results_says_why(ask: Any, arn: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        place_of(ask, arn)
