"""The other kinds of model, from a sample to an answer: several labels an image, and boxes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys
from tests.journeys.browser import browser_at
from tests.journeys.stage import BUDGET, Finished, Home, home_in

SOME = {"train": 32, "test": 24}  # images of the sample: with these, a batch and so a step is small
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


@pytest.fixture(scope="module", params=["labels", "boxes"])
def sampled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sampled]:
    folder = tmp_path_factory.mktemp(request.param)
    with home_in(folder) as home:
        yield trained(request.param, home, folder / "shapes")


def trained(kind: str, home: Home, folder: Path) -> Sampled:
    """The home after a run on the sample of this kind."""
    written = home.typed("sample", kind, "--to", folder)
    assert written.code == 0, written.err
    for part, count in SOME.items():
        some = (folder / f"{part}.manifest").read_text().splitlines(keepends=True)[:count]
        (folder / f"some-{part}.manifest").write_text("".join(some))
    sides = ("--train", folder / "some-train.manifest", "--test", folder / "some-test.manifest")
    run = home.typed("run", *sides, "--min-f1", "0", *BUDGET, "--project", "shapes", "--json")
    return Sampled(kind, home, folder, run)


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
    shown = home.typed("detect", "shapes", sampled.image, "--min-confidence", "0", "--max-results", "1")
    rekognition.close()

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


@pytest.mark.parametrize("sampled", ["boxes"], indirect=True)
def test_boxes_that_are_suggested_are_dashed_and_each_is_taken_or_refused(sampled: Sampled) -> None:
    rekognition = sampled.home.client("rekognition")
    [project] = rekognition.describe_projects(ProjectNames=["shapes"])["ProjectDescriptions"]
    [dataset] = [each["DatasetArn"] for each in project["Datasets"] if each["DatasetType"] == "TEST"]
    rekognition.close()
    with browser_at(sampled.home.server.url) as browser:

        def count(kind: str) -> int:
            return len(browser.all(f".sheet [data-{kind}]"))

        browser.open(f"/desk/{dataset}")
        for _ in range(10):  # to an image in which the model finds several
            browser.one(".sheet").send_keys("s")
            assert browser.sees(lambda: " suggested" in browser.text(".said"))
            if count("suggested") >= 2:
                break
            browser.one(".sheet").send_keys(Keys.ARROW_RIGHT)
        suggested, kept = count("suggested"), count("box")
        assert suggested >= 2
        dashes = "return getComputedStyle(document.querySelector(arguments[0])).strokeDasharray"
        assert browser.run(dashes, ".sheet [data-suggested]") != "none"
        assert browser.run(dashes, ".sheet [data-box]") == "none"

        def click(*held: str) -> None:
            actions = ActionChains(browser.chrome)
            for key in held:
                actions.key_down(key)
            actions.move_to_element(browser.all(".sheet [data-suggested]")[-1]).click()
            for key in held:
                actions.key_up(key)
            actions.perform()

        click(Keys.SHIFT)
        assert (count("suggested"), count("box")) == (suggested - 1, kept)
        click()
        assert (count("suggested"), count("box")) == (suggested - 2, kept + 1)
        browser.one(".sheet").send_keys("r")
        assert (count("suggested"), count("box")) == (0, kept + 1)


@pytest.mark.parametrize("sampled", ["boxes"], indirect=True)
def test_the_matrix_of_boxes_has_every_true_box_and_opens_its_images(sampled: Sampled) -> None:
    arn, truth = sampled.run.json["ProjectVersionArn"], (sampled.folder / "some-test.manifest").read_text()
    boxes = sum(len(json.loads(line)["bounding-box"]["annotations"]) for line in truth.splitlines())
    with browser_at(sampled.home.server.url) as browser:
        browser.open(f"/models/{arn}")

        cells = [str(cell.get_attribute("aria-label")) for cell in browser.all(".chart a[aria-label]")]
        assert sum(int(cell.split()[0]) for cell in cells if " boxes of nothing" not in cell) == boxes
        assert {"(nothing)"} < {name.text for name in browser.all(".chart text.said")}

        first = browser.one(".chart a[aria-label]")
        browser.run("arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", first)
        assert browser.sees(lambda: browser.text("#cell h2") == cells[0])
        assert browser.all("#cell img")
