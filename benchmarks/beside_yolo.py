"""Our detector beside Ultralytics YOLOv8n from random weights: the same images, in the same processor time.

    python benchmarks/beside_yolo.py [--data DIR] [--only cells:5] [--seeds 3]

YOLO learns from as many epochs as fit, with its own settings at 320 pixels and one thread; the threshold of
each label is chosen by our rule on the training images that our own trainings hold out, and the test images
are counted by our evaluation. Ours stands in the results of `benchmarks/training.py`, by the clock `cpu`.

Ultralytics is AGPL-3.0, so it is no dependency of anything here. It runs where the folder `.yolo` (or
$CUSTOMLABELS_YOLO) is a virtual environment that has it:

    python -m venv .yolo && .yolo/bin/pip install ultralytics
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from customlabels.datasets import Images, export, images_of, open_source
from customlabels.evaluation import OUT_OF_FOLD, Boxes, BoxPredictions, evaluate, steady_thresholds
from customlabels.training.material import true_boxes
from customlabels.training.plan import courses
from training import CASES, CPU_SECONDS_A_MINUTE, ROOT, Case, case_key

YOLO = Path(os.environ.get("CUSTOMLABELS_YOLO", ROOT / ".yolo")) / "bin/python"
PROGRAM = """
import json, sys, time
from pathlib import Path
import torch
from ultralytics import YOLO

folder, seconds, seed = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)
settings = dict(data=str(folder / "data.yaml"), imgsz=320, batch=16, device="cpu", workers=0, amp=False,
                pretrained=False, seed=seed, val=False, plots=False, save=False, cache="ram", verbose=False)

def learned(epochs, name):
    began, model = time.process_time(), YOLO("yolov8n.yaml")
    model.train(epochs=epochs, project=str(folder / "runs"), name=name, **settings)
    return model, time.process_time() - began

_, one = learned(1, "one")
_, three = learned(3, "three")
epoch = (three - one) / 2
epochs = max(1, int((seconds - one) / epoch) + 1)
model, used = learned(epochs, "all")
net, found = model.trainer.ema.ema.float().eval(), {}
model.model = net
for part in ("val", "test"):
    for image in sorted((folder / part / "images").rglob("*.jpg")):
        [told] = model.predict(str(image), imgsz=320, conf=0.01, device="cpu", verbose=False)
        boxes = told.boxes
        rows = zip(boxes.cls.tolist(), boxes.conf.tolist(), boxes.xyxyn.tolist())
        key = image.relative_to(folder / part / "images").as_posix()
        found[f"{part}/{key}"] = [[told.names[int(label)], score, corners] for label, score, corners in rows]
(folder / "found.json").write_text(json.dumps({"epochs": epochs, "seconds": used, "found": found}))
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Compare detectors in the same processor time.")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="folders of data")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/training-results.jsonl")
    parser.add_argument("--only", default="cells:5", help="name and minutes of a case of boxes")
    parser.add_argument("--seeds", type=int, default=1)
    wanted = parser.parse_args()
    if not YOLO.exists():
        print(f"{YOLO} is not there (the head of this file says how to make it): skipped")
        return
    [case] = [case for case in CASES if f"{case.name}:{case.minutes:g}" == wanted.only and case.each is None]
    print(f"{'':34}{'F1':>8}{'mAP50':>8}{'CPU s':>8}")
    for line in wanted.results.read_text(encoding="utf-8").splitlines():
        ours = json.loads(line)
        if (ours["case"], ours["clock"]) == (case_key(case), "cpu"):
            start = "random weights" if ours.get("from_scratch", True) else "our weights"
            _show(f"ours, {start}, seed {ours['seed']}, {ours['date'][:10]}", ours)
    figures = []
    for seed in range(wanted.seeds):
        with tempfile.TemporaryDirectory() as folder:
            figures.append(of_yolo(case, wanted.data, Path(folder) / "yolo", seed))
        _show(f"YOLOv8n, seed {seed}, {figures[-1]['epochs']} epochs", figures[-1])
    _show("YOLOv8n, median", {name: statistics.median(one[name] for one in figures) for name in figures[0]})


def of_yolo(case: Case, data: Path, folder: Path, seed: int) -> dict[str, Any]:
    """One training of YOLO and what its model is worth on the test images."""
    learned, tested = (images_of(open_source(data / name)) for name in case.manifests)
    labels = sorted({box.label for item in learned.items for box in item.boxes})
    carried = np.array([[label in item.all_labels for label in labels] for item in learned.items])
    course = courses(carried, seed)[-1]
    divided = {"train": course.learn, "val": course.held_out}
    parts = {
        part: replace(learned, items=tuple(learned.items[at] for at in places))
        for part, places in divided.items()
    } | {"test": tested}
    for part, images in parts.items():
        export(images, "yolo", folder / part)
    ways = {"path": str(folder), "train": "train/images", "val": "val/images"}
    (folder / "data.yaml").write_text(
        yaml.safe_dump(ways | {"names": dict(enumerate(labels))}), encoding="utf-8"
    )
    environment = {**os.environ, "YOLO_CONFIG_DIR": str(folder), "OMP_NUM_THREADS": "1"}
    budget = case.minutes * CPU_SECONDS_A_MINUTE
    command = [YOLO, "-c", PROGRAM, folder, str(budget), str(seed)]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    told = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    held, test = (_predictions(labels, part, parts[part], told["found"]) for part in ("val", "test"))
    judged = evaluate(test, steady_thresholds(held.candidates), OUT_OF_FOLD, seed)
    return {
        "f1": judged.f1,
        "average_precision": judged.average_precision,
        "seconds": told["seconds"],
        "epochs": told["epochs"],
    }


def _predictions(labels: Sequence[str], part: str, images: Images, told: dict[str, Any]) -> BoxPredictions:
    found = []
    for item in images.items:
        boxes = told[f"{part}/{item.key}"]
        numbers = np.array([labels.index(label) for label, _, _ in boxes], np.int64)
        corners = np.array([corners for _, _, corners in boxes], float).reshape(-1, 4)
        found.append(Boxes(numbers, corners, np.array([score for _, score, _ in boxes], float)))
    index = {label: number for number, label in enumerate(labels)}
    return BoxPredictions(labels, found, [true_boxes(item, index) for item in images.items])


def _show(title: str, told: dict[str, Any]) -> None:
    f1, precision, seconds = told["f1"], told["average_precision"], told["seconds"]
    print(f"{title:34}{f1:8.3f}{precision:8.3f}{seconds:8.0f}", flush=True)


if __name__ == "__main__":
    main()
