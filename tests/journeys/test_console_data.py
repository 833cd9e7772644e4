"""The console in a browser: a data set that is filled, labelled, and given boxes."""

import json
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from selenium.webdriver import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.keys import Keys
from tests.journeys.browser import Browser
from tests.journeys.conftest import Deployed

IMAGES = 6


@pytest.fixture(scope="module")
def dataset(deployed: Deployed) -> str:
    """The ARN of an empty data set."""
    client = deployed.home.client("rekognition")
    project = client.create_project(ProjectName="desk")["ProjectArn"]
    return str(client.create_dataset(ProjectArn=project, DatasetType="TRAIN")["DatasetArn"])


@pytest.fixture(scope="module")
def filled(deployed: Deployed, dataset: str, browser: Browser) -> str:
    """The same after somebody dropped images and a text file."""
    files = {"notes.png": b"no image"}
    for number in range(IMAGES):
        out = BytesIO()
        Image.new("RGB", (200, 100), (40 * number, 90, 120)).save(out, "PNG")
        files[f"{number}.png"] = out.getvalue()
    browser.open(f"/datasets/{dataset}")
    browser.drop("add-images .drop", files)
    assert browser.sees(
        lambda: f"{IMAGES} of {IMAGES + 1} images were added" in browser.text("add-images .said")
    )
    assert "notes.png: the image is neither a PNG nor a JPEG" in browser.text("add-images .refused")
    return dataset


def lines(deployed: Deployed, dataset: str, **filters: Any) -> list[dict[str, Any]]:
    """What anyone's client is told of the data set."""
    client = deployed.home.client("rekognition")
    return [
        json.loads(line)
        for line in client.list_dataset_entries(DatasetArn=dataset, **filters)["DatasetEntries"]
    ]


def drag(browser: Browser, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw on the sheet, from and to places in pixels of the image (200 x 100)."""
    script = """const sheet = document.querySelector('.sheet');
    const at = new DOMPoint(...arguments).matrixTransform(sheet.getScreenCTM());
    return [Math.round(at.x), Math.round(at.y)]"""
    (x1, y1), (x2, y2) = (browser.run(script, *place) for place in (start, end))
    actions = ActionChains(browser.chrome, duration=20)
    pointer = actions.w3c_actions.pointer_action
    pointer.move_to_location(x1, y1).pointer_down().move_to_location(x2, y2).pointer_up()  # type: ignore[no-untyped-call]
    actions.perform()


def boxes(browser: Browser) -> Any:
    """The boxes of the sheet: left, top, width, height; all at one moment, as it is drawn anew often."""
    return browser.run(
        """return [...document.querySelectorAll('.sheet [data-box]')].map(
        (box) => ['x', 'y', 'width', 'height'].map((side) => Number(box.getAttribute(side))))"""
    )


def key(browser: Browser, *keys: str) -> None:
    """Typed on the sheet."""
    browser.one(".sheet").send_keys(*keys)


def test_dropped_images_are_in_the_data_set_and_faulty_files_are_named(
    deployed: Deployed, filled: str
) -> None:
    found = lines(deployed, filled)

    assert len(found) == IMAGES
    assert all(line["source-ref"].startswith("s3://desk-images/added/") for line in found)


def test_chosen_images_get_a_label_and_the_filter_is_a_sentence(
    deployed: Deployed, filled: str, browser: Browser, clean: None
) -> None:
    browser.open(f"/datasets/{filled}")
    first, *_, last = browser.all(".gallery [name=ref]")[:3]
    first.click()
    ActionChains(browser.chrome).key_down(Keys.SHIFT).click(last).key_up(Keys.SHIFT).perform()
    assert browser.text("[data-count]") == "3 chosen"
    browser.one(".gallery [name=label]").send_keys("dull")
    browser.one("button[value=add]").click()

    assert browser.sees(lambda: "3 of 6 images are labelled" in browser.text())
    assert "dull 3 too few" in browser.text(".chips")
    assert len(lines(deployed, filled, ContainsLabels=["dull"])) == 3

    browser.one("select[name=show]").send_keys("unlabelled")
    assert browser.sees(
        lambda: "show=unlabelled" in browser.chrome.current_url and len(browser.all(".tile")) == 3
    )
    browser.one(".gallery [name=all]").click()
    browser.one(".gallery [name=label]").send_keys("bright")
    browser.one("button[value=add]").click()
    assert browser.sees(lambda: "6 of 6 images are labelled" in browser.text())

    browser.open(f"/datasets/{filled}?label=bright")
    browser.one(".gallery [name=all]").click()
    browser.one(".gallery [name=label]").send_keys("bright")
    browser.one("button[value=remove]").click()
    assert browser.sees(lambda: "3 of 6 images are labelled" in browser.text())


def test_number_keys_label_and_arrows_go_on(
    deployed: Deployed, filled: str, browser: Browser, clean: None
) -> None:
    browser.open(f"/desk/{filled}?show=unlabelled")
    browser.one(".new input").send_keys("fine\n")
    assert browser.sees(lambda: browser.all(".labels [aria-pressed=true]"))
    key(browser, Keys.ARROW_RIGHT)
    key(browser, "2", Keys.ENTER)
    assert browser.sees(lambda: "3 of 3" in browser.text(".place"))

    assert browser.sees(lambda: len(lines(deployed, filled, ContainsLabels=["fine"])) == 2)
    key(browser, Keys.ARROW_LEFT)
    assert browser.text(".labels [aria-pressed=true]") == "2 fine"


def test_boxes_are_drawn_moved_resized_undone_copied_and_saved(
    deployed: Deployed, filled: str, browser: Browser, clean: None
) -> None:
    browser.open(f"/desk/{filled}")
    browser.one("[name=boxes]").click()

    drag(browser, (20, 20), (60, 50))
    [[left, top, width, height]] = boxes(browser)
    assert [left, top, width, height] == pytest.approx([20, 20, 40, 30], abs=1)

    key(browser, Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert boxes(browser) == [pytest.approx([left + 1, top + 1, width, height])]
    key(browser, Keys.SHIFT, Keys.ARROW_LEFT, Keys.NULL)
    assert boxes(browser) == [pytest.approx([left + 1, top + 1, width - 1, height])]
    drag(browser, (40, 40), (180, 95))  # moved, and kept within the image
    assert boxes(browser)[0][:2] == pytest.approx([200 - (width - 1), 100 - height], abs=0.1)
    drag(browser, (200 - width + 1, 100 - height), (100, 10))  # by its corner
    assert boxes(browser)[0] == pytest.approx([100, 10, 100, 90], abs=1)

    key(browser, Keys.CONTROL, "z", "z", Keys.NULL)
    assert boxes(browser) == [pytest.approx([left + 1, top + 1, width - 1, height])]
    key(browser, Keys.CONTROL, "y", Keys.NULL)
    assert boxes(browser)[0][:2] == pytest.approx([200 - (width - 1), 100 - height], abs=0.1)
    drag(browser, (10, 60), (30, 90))
    assert len(boxes(browser)) == 2
    key(browser, Keys.DELETE)
    assert len(boxes(browser)) == 1

    view = browser.one(".sheet").get_dom_attribute("viewBox")
    key(browser, "+")
    assert browser.one(".sheet").get_dom_attribute("viewBox") != view
    key(browser, "0")
    assert browser.one(".sheet").get_dom_attribute("viewBox") == view

    [kept] = boxes(browser)
    key(browser, Keys.ENTER)
    assert boxes(browser) == []
    key(browser, "c")
    assert browser.sees(lambda: boxes(browser) == [kept])
    key(browser, Keys.ENTER)

    def saved() -> list[Any]:
        return [
            line["bounding-box"]["annotations"] for line in lines(deployed, filled) if "bounding-box" in line
        ]

    assert browser.sees(lambda: len(saved()) == 2)
    [[annotation], same] = saved()
    assert same == [annotation]
    assert [annotation[side] for side in ("left", "top", "width", "height")] == pytest.approx(kept)


def test_the_sheet_is_zoomed_by_the_wheel_and_moved_by_hand(
    filled: str, browser: Browser, clean: None
) -> None:
    browser.open(f"/desk/{filled}")
    sheet = browser.one(".sheet")

    def view() -> list[float]:
        return [float(part) for part in str(sheet.get_dom_attribute("viewBox")).split()]

    def under_the_pointer() -> list[float]:
        return list(
            browser.run(
                """const sheet = document.querySelector('.sheet');
        const {x, y, width, height} = sheet.getBoundingClientRect();
        const at = new DOMPoint(x + width / 2 + 60, y + height / 2 + 30);
        const place = at.matrixTransform(sheet.getScreenCTM().inverse());
        return [place.x, place.y]"""
            )
        )

    def turn_with_control(by: int, times: int) -> None:
        ActionChains(browser.chrome).key_down(Keys.CONTROL).perform()
        for _ in range(times):
            ActionChains(browser.chrome).scroll_from_origin(wheel, 0, by).perform()
        ActionChains(browser.chrome).key_up(Keys.CONTROL).perform()

    wheel = ScrollOrigin.from_element(sheet, 60, 30)
    whole, place = view(), under_the_pointer()
    ActionChains(browser.chrome).scroll_from_origin(wheel, 0, -200).perform()
    assert view() == whole  # without Ctrl the wheel belongs to the page

    turn_with_control(-200, 2)
    assert browser.sees(lambda: view()[2:] == pytest.approx([whole[2] / 1.25**2, whole[3] / 1.25**2]))
    assert under_the_pointer() == pytest.approx(place, abs=0.1)

    near = view()
    browser.run("document.querySelector('.sheet').focus()")
    ActionChains(browser.chrome).key_down(Keys.SPACE).perform()
    drag(browser, (100, 50), (90, 60))
    ActionChains(browser.chrome).key_up(Keys.SPACE).perform()
    assert view()[:2] == pytest.approx([near[0] + 10, near[1] - 10], abs=1)
    assert view()[2:] == pytest.approx(near[2:])
    assert len(boxes(browser)) == 1  # nothing was drawn

    turn_with_control(200, 4)
    assert browser.sees(lambda: view()[2:] == pytest.approx(whole[2:], rel=0.01))  # not smaller than whole


def test_a_model_s_suggestions_are_dashed_until_they_are_accepted(
    answering: Deployed, filled: str, browser: Browser, clean: None
) -> None:
    browser.open(f"/desk/{filled}?at=5")
    browser.one("[name=boxes]").click()  # off: labels of the whole image
    before = len(browser.all(".labels [aria-pressed=true]"))
    key(browser, "s")
    assert browser.sees(lambda: " suggested" in browser.text(".said"))

    key(browser, "a")

    assert browser.sees(lambda: len(browser.all(".labels [aria-pressed=true]")) > before)


def test_ten_thousand_images_are_a_page_at_a_time(deployed: Deployed, browser: Browser) -> None:
    """The time to the first paint stands in `make bench`; here it is that a page holds sixty and no more."""
    client = deployed.home.client("rekognition")
    [project] = client.describe_projects(ProjectNames=["desk"])["ProjectDescriptions"]
    arn = client.create_dataset(ProjectArn=project["ProjectArn"], DatasetType="TEST")["DatasetArn"]
    body = "\n".join(json.dumps({"source-ref": f"s3://desk-images/none/{at}.png"}) for at in range(10_000))
    client.update_dataset_entries(DatasetArn=arn, Changes={"GroundTruth": body.encode()})
    assert browser.sees(
        lambda: client.describe_dataset(DatasetArn=arn)["DatasetDescription"]["Status"] == "UPDATE_COMPLETE"
    )

    def is_at(first: int) -> bool:
        return len(browser.all(".tile")) == 60 and f"none/{first}.png" in browser.chrome.page_source

    browser.open(f"/datasets/{arn}")
    assert not browser.all("[rel=prev]")
    browser.one("[rel=next]").click()
    assert browser.sees(lambda: is_at(60))
    browser.one("[rel=next]").click()
    assert browser.sees(lambda: is_at(120))

    browser.one("[rel=prev]").click()
    assert browser.sees(lambda: is_at(60))
    browser.one("[rel=prev]").click()
    assert browser.sees(lambda: is_at(0))
    browser.open("/login")
    browser.complaints()  # of the images that are not there
