"""The steps of the gate, in the order in which they run; each with what it needs."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aws import tools
from aws.application import ROOT, Application
from aws.contract import check_contract
from aws.corpus import Fault, faults
from aws.definitions import check_definitions
from aws.moto_stack import deploy
from aws.package import BUILT, sam_build
from aws.permissions import check_permissions
from aws.tools import Findings, Variant
from customlabels.errors import InvalidInput

SHIPPED = "shipped"


@dataclass(frozen=True)
class Step:
    """look: findings of many variants at once   needs: the files that must be there"""

    name: str
    look: Callable[[list[Variant]], Findings]
    needs: tuple[Path, ...] = ()

    def missing(self) -> str:
        """Why the step cannot run here; empty where it can."""
        lacks = [file.name for file in self.needs if not file.exists()]
        return f"{', '.join(lacks)} is not there (make aws-tools)" if lacks else ""


def _ours(check: Callable[[Application], Iterable[str]]) -> Callable[[list[Variant]], Findings]:
    """A check of our own as a step; what keeps it from reading the files is a finding too."""

    def look(variants: list[Variant]) -> Findings:
        return {variant.name: findings_of(check, variant.application) for variant in variants}

    return look


def findings_of(check: Callable[[Application], Iterable[str]], application: Application) -> list[str]:
    """What a check of our own finds."""
    found = []
    try:
        for finding in check(application):
            found.append(finding)
    except (InvalidInput, KeyError, ValueError) as error:
        found.append(f"cannot be read further: {error!r}")
    return found


def _checkov(variants: list[Variant]) -> Findings:
    tools.transform(variants)
    return tools.checkov(variants)


def _deploy(variants: list[Variant]) -> Findings:
    tools.transform(variants)
    shipped = next((variant for variant in variants if (variant.folder / BUILT).exists()), None)
    if shipped is None:
        return {variant.name: ["there is no package: sam-build must run before"] for variant in variants}
    return deploy(variants, (shipped.folder / BUILT).resolve())


CHECKS = {"contract": check_contract, "definitions": check_definitions, "permissions": check_permissions}
SAM, JUDGE = tools.SAM / "sam", ROOT / "src" / "customlabels" / "pipeline" / "judge.py"
STEPS = [
    *(Step(name, _ours(check)) for name, check in CHECKS.items()),
    Step("sam-validate", tools.sam_validate, (SAM,)),
    Step("transform", tools.transform, (SAM,)),
    Step("cfn-lint", tools.cfn_lint, (tools.SAM / "cfn-lint",)),
    Step("asl-validator", tools.asl_validator, (tools.ASL_VALIDATOR,)),
    Step("parliament", tools.parliament, (tools.SAM / "parliament",)),
    Step("checkov", _checkov, (SAM, tools.CHECKOV)),
    Step("sam-build", sam_build, (SAM, JUDGE)),
    Step("deploy", _deploy, (SAM, JUDGE)),
]


@dataclass(frozen=True)
class Result:
    """found: in the files as they are   caught, missed: names of the step's faults"""

    step: str
    seconds: float
    found: list[str]
    caught: list[str]
    missed: list[str]
    skipped: str = ""


def run_steps(names: list[str], folder: Path | None = None) -> Iterator[Result]:
    """Run steps (all where none is named) on the files as they are and on each step's faults."""
    corpus = faults()
    work = folder or Path(tempfile.mkdtemp(prefix="aws-gate-"))
    try:
        shipped = _variant(SHIPPED, Application.of(), work)
        for step in STEPS:
            if names and step.name not in names:
                continue
            mine = [fault for fault in corpus if fault.step == step.name]
            if step.missing():
                yield Result(step.name, 0, [], [], [], step.missing())
                continue
            start = time.monotonic()
            seeded = [
                _variant(f"fault-{index}", fault.put_into(shipped.application), work)
                for index, fault in enumerate(corpus)
                if fault in mine
            ]
            found = step.look([shipped, *seeded])
            yield _result(
                step,
                time.monotonic() - start,
                found,
                dict(zip([one.name for one in seeded], mine, strict=True)),
            )
    finally:
        if folder is None:
            shutil.rmtree(work)


def _result(step: Step, seconds: float, found: Findings, seeded: dict[str, Fault]) -> Result:
    caught = [fault.name for name, fault in seeded.items() if fault.caught_by(found[name])]
    missed = [
        f"{fault.name}: {found[name] or 'nothing found'}"
        for name, fault in seeded.items()
        if fault.name not in caught
    ]
    return Result(step.name, seconds, found[SHIPPED], caught, missed)


def _variant(name: str, application: Application, work: Path) -> Variant:
    folder = work / name
    application.write(folder)
    return Variant(name, application, folder)
