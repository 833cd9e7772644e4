"""A real browser on the console's pages: Chromium by Selenium, as somebody with a mouse and keys uses it."""

import base64
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from tests.journeys.stage import until

WIDE, PHONE = (1280, 900), (400, 800)
MISSING = "Chromium and its driver are not installed (apt-get install chromium chromium-driver)"


@dataclass(frozen=True)
class Browser:
    """One window."""

    chrome: Chrome
    url: str

    def open(self, path: str) -> None:
        """Go to a page of the console."""
        self.chrome.get(self.url + path)

    def all(self, selector: str) -> list[WebElement]:
        """Every element that fits, also none."""
        return self.chrome.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        """The first element that fits."""
        return self.chrome.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str = "main") -> Any:
        """What is written there."""
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script answers."""
        return self.chrome.execute_script(script, *arguments)

    def sees(self, holds: Callable[[], Any], seconds: float = 20) -> Any:
        """What `holds` answers, once that is true; the last answer when the time is over."""
        return until(holds, seconds)

    def look(self, size: tuple[int, int] = WIDE, *, dark: bool = False) -> None:
        """The size of the window, and the reader's preference."""
        width, height = size
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        preference = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        self.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [preference]})

    def drop(self, selector: str, files: Mapping[str, bytes]) -> None:
        """Let files fall on an element, as a drag from a folder ends."""
        script = """const moved = new DataTransfer(), [selector, files] = arguments;
        for (const [name, text] of files)
          moved.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name));
        const element = document.querySelector(selector), kept = [];
        for (const name of ["dragover", "drop"]) {
          const event = new DragEvent(name, {dataTransfer: moved, bubbles: true, cancelable: true});
          element.dispatchEvent(event);
          kept.push(event.defaultPrevented);
        }
        return kept"""
        texts = [(name, base64.b64encode(content).decode()) for name, content in files.items()]
        # A page that lets the browser have the files would be left for them.
        assert self.run(script, selector, texts) == [True, True]

    def complaints(self) -> list[str]:
        """What the browser has to say of scripts, files and the policy since the last time."""
        return [entry["message"] for entry in self.chrome.get_log("browser")]  # type: ignore[no-untyped-call]


@contextmanager
def browser_at(url: str) -> Iterator[Browser]:
    """A browser that is gone at the end; the test is skipped where there is none."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip(MISSING)
    options = Options()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = Chrome(options=options, service=Service(driver))
    try:
        browser = Browser(chrome, url)
        browser.look()
        yield browser
    finally:
        chrome.quit()
