"""Installed from a wheel, the package finds every file of its own that it found in the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOOK = """
import customlabels
from pathlib import Path
from customlabels.console import console_app
from customlabels.app import models_folder
from customlabels.pipeline import cleanup_definition, definition, local_substitutions
from customlabels.wire import load_services

home = Path(customlabels.__file__).parent
assert definition(local_substitutions())["StartAt"] == "Defaults"
assert cleanup_definition()["StartAt"] == "Defaults"
assert load_services(models_folder())["customlabels"].operation("PutBucket").name == "PutBucket"
for name in ("templates/base.html", "templates/start.html", "templates/run.html", "static/console.css"):
    assert (home / "console" / name).is_file(), name
print(home)
"""


def found_from(folder: Path, *, pythonpath: str | None) -> Path:
    """Where a new process, started elsewhere, has the package from, once it found all of its files."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if pythonpath is not None:
        environment["PYTHONPATH"] = pythonpath
    looked = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert looked.returncode == 0, looked.stderr
    return Path(looked.stdout.strip())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built from a copy of the sources without asking any index."""
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return next(folder.glob("customlabels-*.whl"))


def test_the_checkout_finds_its_files(tmp_path: Path) -> None:
    assert found_from(tmp_path, pythonpath=str(ROOT / "src")) == ROOT / "src" / "customlabels"


def test_a_wheel_carries_its_files(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
        names = archive.namelist()

    found = found_from(tmp_path, pythonpath=str(tmp_path / "installed"))

    assert found == tmp_path / "installed" / "customlabels"
    assert (found / "pipeline" / "workflow.yaml").read_bytes() == (
        ROOT / "statemachine/workflow.yaml"
    ).read_bytes()
    assert [name for name in names if name.startswith("tests/") or name.endswith(".pyc")] == []
