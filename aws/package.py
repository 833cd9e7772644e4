"""`sam build` of the judge's function, and what may be in the package that it makes."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from aws.application import ROOT
from aws.tools import SAM, Findings, Variant, run

BUILT = Path(".aws-sam") / "build" / "JudgeFunction"
MAX_MEGABYTES = 120  # Lambda's own bound is 250, unpacked
ALLOWED = {"customlabels", "numpy", "numpy.libs", "Makefile"}
OURS = {"customlabels", "customlabels.doors", "customlabels.errors"}
OURS |= {"customlabels.evaluation", "customlabels.pipeline"}
# What the runtime has, and what it brings along.
RUNTIME = {
    "boto3",
    "botocore",
    "s3transfer",
    "jmespath",
    "dateutil",
    "urllib3",
    "six",
    "numpy",
    "customlabels",
}
IMPORT = """
import sys
sys.path.insert(0, {folder!r})
before = set(sys.modules)
from customlabels.pipeline.judge import handler
new = (name for name in set(sys.modules) - before if hasattr(sys.modules[name], "__path__"))
roots = {{name.partition(".")[0] for name in new}}
print(" ".join(sorted(roots - set(sys.stdlib_module_names))))
"""


def sam_build(variants: list[Variant]) -> Findings:
    """Build the package of the first variant, and of the others what is ours; look into each."""
    return {one.name: list(_built(one, whole=index == 0)) for index, one in enumerate(variants)}


def _built(variant: Variant, *, whole: bool) -> Iterator[str]:
    ignored = shutil.ignore_patterns("__pycache__")
    sources = ROOT / "src" / "customlabels"
    shutil.copytree(sources, variant.folder / "src" / "customlabels", ignore=ignored, dirs_exist_ok=True)
    package = variant.folder / BUILT
    # Of a fault only our own files matter: numpy is fetched once.
    make = ["make", "-C", "src", "build-JudgeFunction", f"ARTIFACTS_DIR={package}", "PIP=true"]
    done = run([SAM / "sam", "build", "-t", "template.yaml"] if whole else make, cwd=variant.folder)
    if done.returncode:
        yield f"{'sam build' if whole else 'make'}: {done.stderr[-1500:]}"
        return
    if whole and not list(package.glob("numpy/_core/*.cpython-313-x86_64-linux-gnu.so")):
        yield "numpy is not that of Lambda's Python and machine"
    megabytes = sum(file.stat().st_size for file in package.rglob("*") if file.is_file()) / 1e6
    if megabytes > MAX_MEGABYTES:
        yield f"the package has {megabytes:.0f} MB; {MAX_MEGABYTES} are allowed"
    for entry in sorted(package.iterdir()):
        if entry.name not in ALLOWED and not entry.name.startswith("numpy-"):
            yield f"{entry.name} goes along, which is neither ours nor numpy"
    yield from _modules(package)
    yield from _imports(package, variant.folder / "import")


def _modules(package: Path) -> Iterator[str]:
    """What the package's modules import of ours must be in it, late imports too, and nothing else may be."""
    modules = {_name(file, package): file for file in sorted((package / "customlabels").rglob("*.py"))}
    for name, file in modules.items():
        if (
            not name.startswith(("customlabels.evaluation.", "customlabels.pipeline.judge"))
            and name not in OURS
        ):
            yield f"{name} goes along, which the judge may not need"
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            wanted = [node.module] if isinstance(node, ast.ImportFrom) else []
            wanted += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            for one in wanted:
                if one and one.startswith("customlabels") and one not in modules:
                    yield f"{name} imports {one}, which is not in the package"


def _name(file: Path, package: Path) -> str:
    return ".".join(file.relative_to(package).with_suffix("").parts).removesuffix(".__init__")


def _imports(package: Path, folder: Path) -> Iterator[str]:
    """The handler must be importable with our files of the package alone.

    numpy is this interpreter's: the package's is compiled for Lambda's.
    """
    shutil.copytree(package / "customlabels", folder / "customlabels", dirs_exist_ok=True)
    command = [sys.executable, "-c", IMPORT.format(folder=str(folder))]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        yield f"the handler cannot be imported: {done.stderr.strip().splitlines()[-1]}"
    for root in sorted(set(done.stdout.split()) - RUNTIME):
        yield f"the handler imports {root}, which is not there"
