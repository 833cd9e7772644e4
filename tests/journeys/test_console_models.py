"""The console in a browser: how a model was judged, and what it says of an image."""

from functools import partial
from pathlib import Path

from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select
from tests.journeys.browser import Browser
from tests.journeys.conftest import Deployed
from tests.journeys.stage import Finished


def test_the_slider_recomputes_figures_and_gallery_at_once(
    deployed: Deployed, browser: Browser, clean: None
) -> None:
    browser.open(f"/models/{deployed.version}?label=red&tab=tp&threshold=0")
    slider = browser.sees(lambda: browser.all("threshold-desk input"))[0]

    assert browser.sees(lambda: "recall 1.000" in browser.text(".slider-figures"))
    assert "precision 0.333" in browser.text(".slider-figures")  # 6 of 18 images are red
    assert browser.text("[data-tab=fp]") == "Wrongly found (12)"
    assert len(browser.all("threshold-desk .tile")) == 6

    slider.send_keys(Keys.END)
    assert "threshold 1.000" in browser.text(".slider-figures")
    assert browser.text("[data-tab=fp]") == "Wrongly found (0)"
    assert browser.sees(lambda: "threshold=1" in browser.chrome.current_url)

    browser.one("threshold-desk .slide button").click()
    own = browser.text("tr.chosen").split()
    assert f"threshold {own[2]}" in browser.text(".slider-figures")


def test_a_cell_of_the_matrix_opens_its_images(deployed: Deployed, browser: Browser, clean: None) -> None:
    browser.open(f"/models/{deployed.version}")
    cell = browser.one(".chart a[aria-label$='images of red, found as red']")
    count = int(cell.get_attribute("aria-label").split()[0])  # type: ignore[union-attr]

    browser.run("arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", cell)

    assert browser.sees(lambda: browser.text("#cell h2") == f"{count} images of red, found as red")
    images = browser.all("#cell img")
    assert len(images) == count
    assert browser.sees(lambda: browser.run("return arguments[0].naturalWidth", images[0]) == 64)


def test_two_versions_stand_side_by_side(
    deployed: Deployed, rejected: Finished, browser: Browser, clean: None
) -> None:
    browser.open(f"/models/{deployed.version}")

    other = rejected.json["ProjectVersionArn"]
    Select(browser.one("select[name=b]")).select_by_value(other)
    browser.one("form[action='/compare'] button").click()

    assert browser.sees(lambda: browser.text("h1") == "Two versions")
    assert other.split("/")[3] in browser.text("thead")
    assert "the intervals overlap" in browser.text()


def test_an_image_of_one_s_own_is_asked_about(answering: Deployed, browser: Browser, clean: None) -> None:
    image = next((answering.test / "green").iterdir())
    browser.open(f"/try/{answering.version}")
    browser.drop(".drop", {image.name: image.read_bytes()})

    assert browser.sees(lambda: " ms" in browser.text(".said"))
    assert browser.run("return document.querySelector('canvas').width") == 64
    client = answering.home.client("rekognition")
    labels = client.detect_custom_labels(
        ProjectVersionArn=answering.version, Image={"Bytes": image.read_bytes()}
    )["CustomLabels"]
    assert browser.text(".found tbody").split()[0] == labels[0]["Name"]


def is_copied(button: WebElement) -> bool:
    return button.text == "Copied"


def test_a_command_is_copied_by_its_button(answering: Deployed, browser: Browser, clean: None) -> None:
    browser.open(f"/try/{answering.version}")
    browser.chrome.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite"], "origin": browser.url}
    )
    for button in browser.all("[data-copy]"):
        command = browser.run("return arguments[0].parentElement.querySelector('code').textContent", button)
        button.click()

        assert browser.sees(partial(is_copied, button))
        pasted = "navigator.clipboard.readText().then(arguments[arguments.length - 1])"
        assert browser.chrome.execute_async_script(pasted) == command


def test_what_is_no_image_is_refused_in_words(answering: Deployed, browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no image")
    browser.open(f"/try/{answering.version}")
    browser.one("[type=file]").send_keys(str(tmp_path / "notes.png"))

    assert browser.sees(lambda: browser.text(".said") not in ("", "asking…"))
    browser.complaints()


def test_a_model_is_taken_out_of_service_and_started_again(
    answering: Deployed, browser: Browser, clean: None
) -> None:
    browser.open(f"/models/{answering.version}")
    browser.one("form[data-confirm] button").click()
    browser.chrome.switch_to.alert.accept()

    def status() -> str:
        browser.open(f"/models/{answering.version}")
        return str(browser.text("h1 .status"))

    assert browser.sees(lambda: status() == "stopped")
    browser.one("form[action='/models'] button").click()
    assert browser.sees(lambda: status() == "running")
