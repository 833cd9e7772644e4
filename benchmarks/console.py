"""What a visitor of the console waits for, in Chromium: a page of a data set of 10,000 images.

    python benchmarks/console.py

A server in a home of its own, images of 640 x 480 pixels as JPEG (100 files, each a hundred times by links).
First paint is the browser's own figure (First Contentful Paint), load is the end of everything that the first
screen asks for. The first browser comes to a server that has never made these thumbnails.
"""

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import boto3
from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

COMMAND = Path(sys.executable).with_name("customlabels")
IMAGES, FILES, ROUNDS, TARGET = 10_000, 100, 7, 0.4
PAINT = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
ANSWER = "return performance.getEntriesByType('navigation')[0].responseEnd"
LOAD = "return performance.getEntriesByType('navigation')[0].loadEventEnd"


def main() -> None:
    """Print the table."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        print("no Chromium here: nothing is measured")
        return
    with tempfile.TemporaryDirectory() as folder:
        home = os.environ | {"CUSTOMLABELS_HOME": f"{folder}/home", "CUSTOMLABELS_PORT": "0"}
        subprocess.run([COMMAND, "bucket", "list"], env=home, check=True, capture_output=True)
        try:
            url = json.loads((Path(folder) / "home" / "server.lock").read_text())["url"]
            draw(Path(folder) / "images")
            added = [COMMAND, "bucket", "add", "bench-images", f"{folder}/images"]
            subprocess.run(added, env=home, check=True, capture_output=True)
            measure(f"{url}/datasets/{dataset(url)}")
        finally:
            subprocess.run([COMMAND, "down"], env=home, check=True, capture_output=True)


def draw(folder: Path) -> None:
    """100 files, and links to them."""
    folder.mkdir()
    chance = random.Random(0)
    for number in range(FILES):
        image = Image.new("RGB", (640, 480), tuple(chance.randrange(256) for _ in range(3)))
        for _ in range(30):
            left, top = chance.randrange(600), chance.randrange(440)
            image.paste(tuple(chance.randrange(256) for _ in range(3)), (left, top, left + 60, top + 50))
        image.save(folder / f"{number}.jpg", quality=90)
    for number in range(FILES, IMAGES):
        os.link(folder / f"{number % FILES}.jpg", folder / f"{number}.jpg")


def dataset(url: str) -> str:
    """The ARN of a data set with all of them."""
    client = boto3.client(
        "rekognition", "us-east-1", endpoint_url=url, aws_access_key_id="x", aws_secret_access_key="x"
    )
    project = client.create_project(ProjectName="bench")["ProjectArn"]
    arn = str(client.create_dataset(ProjectArn=project, DatasetType="TRAIN")["DatasetArn"])
    labels = [{"class-name": f"label {number}", "confidence": 1} for number in range(20)]
    rest = {
        "type": "groundtruth/image-classification",
        "human-annotated": "yes",
        "creation-date": "2026-01-01",
    }
    for start in range(0, IMAGES, 2_500):
        lines = [
            {
                "source-ref": f"s3://bench-images/{at}.jpg",
                "label": 1,
                "label-metadata": labels[at % 20] | rest,
            }
            for at in range(start, start + 2_500)
        ]
        changes = {"GroundTruth": "\n".join(map(json.dumps, lines)).encode()}
        client.update_dataset_entries(DatasetArn=arn, Changes=changes)
        while client.describe_dataset(DatasetArn=arn)["DatasetDescription"]["Status"] != "UPDATE_COMPLETE":
            time.sleep(0.1)
    return arn


def measure(page: str) -> None:
    """Open the page with a new browser each time."""
    found: dict[str, list[float]] = {"answer": [], "first paint": [], "load": []}
    for _ in range(ROUNDS):
        options = Options()
        options.binary_location = shutil.which("chromium") or ""
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"):
            options.add_argument(argument)
        chrome: Any = Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            chrome.get(page.split("/datasets")[0] + "/login")  # the browser's own beginning is not the page's
            chrome.get(page)
            for name, script in (("answer", ANSWER), ("first paint", PAINT), ("load", LOAD)):
                found[name].append(chrome.execute_script(script) / 1000)
        finally:
            chrome.quit()
    print(f"{IMAGES:,} images, 60 on the page, {ROUNDS} browsers, seconds")
    print(f"{'':12} {'first (cold)':>12} {'median':>8} {'worst':>8} {'target':>8}")
    for name, seconds in found.items():
        target = f"{TARGET:>8}" if name == "first paint" else ""
        print(f"{name:12} {seconds[0]:12.3f} {statistics.median(seconds):8.3f} {max(seconds):8.3f} {target}")


if __name__ == "__main__":
    main()
