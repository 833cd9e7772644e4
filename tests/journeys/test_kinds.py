"""The other kinds of model, from a sample to an answer: several labels an image, and boxes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.journeys.stage import Finished, Home, home_in

SHAPES = {"circle", "diamond", "star", "triangle"}


@dataclass(frozen=True)
class Sampled:
    """A home in which a model was trained on a sample and deployed."""

    name: str
    home: Home
    folder: Path
    run: Finished

    @property
    def image(self) -> Path:
        return self.folder / "test" / "000.png"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with home_in(tmp_path_factory.mktemp("kinds")) as home:
        yield home


@pytest.fixture(params=["labels", "boxes"])
def sampled(request: pytest.FixtureRequest, shared: Home, tmp_path: Path) -> Sampled:
    folder = tmp_path / request.param
    written = shared.typed("sample", request.param, "--to", folder)
    assert written.code == 0, written.err
    sides = ("--train", folder / "train.manifest", "--test", folder / "test.manifest")
    run = shared.typed(
        "run", *sides, "--min-f1", "0", "--budget", "12s", "--project", request.param, "--json"
    )
    return Sampled(request.param, shared, folder, run)


def test_a_sample_is_trained_on_and_its_model_answers_in_its_own_way(sampled: Sampled) -> None:
    assert sampled.run.code == 0, sampled.run.err
    home, content = sampled.home, sampled.image.read_bytes()
    rekognition = home.client("rekognition")
    arn = sampled.run.json["ProjectVersionArn"]

    everything = rekognition.detect_custom_labels(
        ProjectVersionArn=arn, Image={"Bytes": content}, MinConfidence=0
    )["CustomLabels"]
    few = rekognition.detect_custom_labels(
        ProjectVersionArn=arn, Image={"Bytes": content}, MinConfidence=0, MaxResults=2
    )["CustomLabels"]
    shown = home.typed("detect", sampled.name, sampled.image, "--min-confidence", "0", "--max-results", "1")
    rekognition.close()

    assert everything
    confidences = [label["Confidence"] for label in everything]
    assert confidences == sorted(confidences, reverse=True)
    assert few == everything[:2]
    assert {label["Name"] for label in everything} <= SHAPES
    if sampled.name == "labels":  # the two kinds are told apart by Geometry alone, as clients do
        assert len(everything) == len(SHAPES)
        assert not any("Geometry" in label for label in everything)
        assert "[" not in shown.out
    else:
        for label in everything:
            box = label["Geometry"]["BoundingBox"]
            assert set(box) == {"Width", "Height", "Left", "Top"}
            assert box["Width"] > 0
            assert box["Height"] > 0
        assert "%" in shown.out
        assert "[" in shown.out
