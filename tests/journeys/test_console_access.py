"""The console for everybody: axe-core finds nothing on any page, and the keyboard alone is enough."""

from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys
from tests.journeys.browser import PHONE, WIDE, Browser
from tests.journeys.conftest import Deployed

AXE = Path(__file__).parents[2] / ".clients/node_modules/axe-core/axe.min.js"
FOUND = """const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ["violations"], ...arguments[0]}).then(({violations}) => done(violations.map(
  ({id, nodes}) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160) + node.failureSummary)}`
)));"""


def pages(deployed: Deployed, browser: Browser) -> dict[str, str]:
    """Every kind of page, with something on it."""
    client = deployed.home.client("rekognition")
    [project] = client.describe_projects(ProjectNames=["colours"])["ProjectDescriptions"]
    [dataset] = [each["DatasetArn"] for each in project["Datasets"] if each["DatasetType"] == "TRAIN"]
    browser.open("/")
    runs = [link.get_attribute("href") or "" for link in browser.all("a[href^='/runs/']")]
    run = next(link for link in runs if "customlabels-pipeline" in link).removeprefix(browser.url)
    return {
        "start": "/",
        "login": "/login",
        "refused": "/runs/nothing",
        "run": f"{run}?state=Train",
        "model": f"/models/{deployed.version}?truth=red&found=red",
        "compare": f"/compare?a={deployed.version}&b={deployed.version}",
        "try": f"/try/{deployed.version}",
        "data sets": "/datasets",
        "gallery": f"/datasets/{dataset}",
        "desk": f"/desk/{dataset}",
    }


@pytest.mark.skipif(not AXE.exists(), reason="no axe-core (make clients): the pages are not judged by it")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_violation_on_any_page(deployed: Deployed, browser: Browser, dark: bool) -> None:
    """By all its rules; in the dark only by those of colours, for nothing else is different then."""
    rules = {"runOnly": ["color-contrast", "link-in-text-block"]} if dark else {}
    script = AXE.read_text()
    found = {}
    try:
        for name, path in pages(deployed, browser).items():
            browser.look(WIDE, dark=dark)
            browser.open(path)
            browser.run(script)
            found[name] = browser.chrome.execute_async_script(FOUND, rules)
    finally:
        browser.look()
        browser.complaints()

    assert {name: violations for name, violations in found.items() if violations} == {}


def test_no_page_is_wider_than_a_telephone(deployed: Deployed, browser: Browser) -> None:
    widths = {}
    for name, path in pages(deployed, browser).items():
        browser.look(PHONE)
        browser.open(path)
        widths[name] = browser.run("return document.documentElement.scrollWidth")
    browser.look()
    browser.complaints()

    assert {name: width for name, width in widths.items() if width > PHONE[0]} == {}


def test_the_keyboard_alone_leads_from_the_start_to_what_a_state_was_asked(
    deployed: Deployed, browser: Browser, clean: None
) -> None:
    """Tab and Enter only, as somebody without a mouse goes."""

    def tab_to(selector: str, most: int = 150) -> None:
        for _ in range(most):
            browser.chrome.switch_to.active_element.send_keys(Keys.TAB)
            if browser.run("return document.activeElement.matches(arguments[0])", selector):
                return
        raise AssertionError(f"{selector} is not reached by Tab")

    browser.open("/")
    tab_to(".skip", 1)
    browser.chrome.switch_to.active_element.send_keys(Keys.ENTER)
    tab_to("a[href*='customlabels-pipeline']")
    browser.chrome.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.sees(lambda: browser.all("live-run"))
    tab_to("[data-state=Train] a")
    browser.chrome.switch_to.active_element.send_keys(Keys.ENTER)

    assert browser.sees(lambda: browser.text("#state h2").startswith("Train"))
