"""The steps that other people's programs do: each looks at many variants of the application in one run.

A variant is a folder with the application's files as a fault has left them. `make aws-tools` installs them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws.application import ROOT, Application
from aws.definitions import definition_of
from aws.permissions import statements_of
from customlabels.errors import InvalidInput

TOOLS = ROOT / ".aws-tools"
SAM = TOOLS / "sam" / "bin"
CHECKOV = TOOLS / "checkov" / "bin" / "checkov"
ASL_VALIDATOR = TOOLS / "node" / "node_modules" / ".bin" / "asl-validator"
ENVIRONMENT = os.environ | {
    "SAM_CLI_TELEMETRY": "0",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
# Findings that are decided otherwise, with the reason.
ACCEPTED = {
    "['rekognition:CreateProject']": "parliament knows a resource of it, newer tables do not",
    "CKV_AWS_158": "logs are encrypted by the service; a key of one's own must name each log group",
    "CKV_AWS_116": "the judge is invoked synchronously, its failure is the state machine's to handle",
    "CKV_AWS_117": "the judge speaks with S3 only; a VPC would need an endpoint and adds nothing",
    "CKV_AWS_115": "runs are few; a reserved share would be taken from the account's other functions",
}


@dataclass(frozen=True)
class Variant:
    """name: of the fault, or `shipped`   folder: its files"""

    name: str
    application: Application
    folder: Path


Findings = dict[str, list[str]]


def run(command: Iterable[object], cwd: Path = ROOT, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program to its end; its output is what it found, its exit code only that it found something."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        input=given,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def sam_validate(variants: list[Variant]) -> Findings:
    """`sam validate --lint`, a run for each."""
    found = {}
    for variant in variants:
        done = run(
            [SAM / "sam", "validate", "--lint", "-t", "template.yaml", "--region", "us-east-1"],
            variant.folder,
        )
        lines = (done.stdout + done.stderr).splitlines()
        found[variant.name] = [] if done.returncode == 0 else [line for line in lines if line.strip()]
    return found


def transform(variants: list[Variant]) -> Findings:
    """SAM's transform; it also leaves cfn.json for later steps."""
    done = run([SAM / "python", ROOT / "aws" / "transform.py", *(variant.folder for variant in variants)])
    told: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {}
    return {variant.name: told.get(str(variant.folder), [done.stderr[-2000:]]) for variant in variants}


def cfn_lint(variants: list[Variant]) -> Findings:
    """cfn-lint on the template, and on each definition with its substitutions made (rule E3601)."""
    files = {variant.folder / "template.yaml": variant.name for variant in variants}
    for variant in variants:
        for machine, definition in _definitions(variant).items():
            properties = {"RoleArn": "arn:aws:iam::111122223333:role/one", "Definition": definition}
            resource = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
            file = variant.folder / f"machine-{machine}.json"
            file.write_text(json.dumps({"Resources": {"Machine": resource}}), encoding="utf-8")
            files[file] = variant.name
    done = run([SAM / "cfn-lint", "--format", "json", "--regions", "eu-west-1", "--", *files])
    found: Findings = {variant.name: [] for variant in variants}
    for one in json.loads(done.stdout or "[]"):
        found[files[Path(one["Filename"])]].append(f"{one['Rule']['Id']} {one['Message']}")
    return found


def asl_validator(variants: list[Variant]) -> Findings:
    """asl-validator on each definition with its substitutions made."""
    files = {}
    for variant in variants:
        for machine, definition in _definitions(variant).items():
            file = variant.folder / f"asl-{machine}.json"
            file.write_text(json.dumps(definition), encoding="utf-8")
            files[str(file)] = variant.name
    done = run([ASL_VALIDATOR, *(part for file in files for part in ("--json-path", file))])
    found: Findings = {variant.name: [] for variant in variants}
    told = ""
    for line in done.stderr.splitlines():
        named = re.search(r'definition "(.+)" is invalid', line)
        told = files[named[1]] if named else told
        if told and not named:
            found[told].append(line.strip())
    return found


def checkov(variants: list[Variant]) -> Findings:
    """checkov on what SAM made of the templates, without the network."""
    files = [part for variant in variants for part in ("-f", variant.folder / "cfn.json")]
    command = [CHECKOV, *files, "--framework", "cloudformation", "--compact", "--quiet", "--skip-download"]
    done = run(
        [
            *command,
            "-o",
            "json",
            "--skip-check",
            ",".join(name for name in ACCEPTED if name.startswith("CKV")),
        ]
    )
    told = json.loads(done.stdout)
    found: Findings = {variant.name: [] for variant in variants}
    by_folder = {str(variant.folder): variant.name for variant in variants}
    for one in told.get("results", {}).get("failed_checks", []):
        name = by_folder[str(Path(one["file_abs_path"]).parent)]
        found[name].append(f"{one['check_id']} {one['resource']}: {one['check_name']}")
    return found


def parliament(variants: list[Variant]) -> Findings:
    """parliament on every role's policy, with every option used."""
    documents = {}
    for variant in variants:
        for role, properties in variant.application.filled(options=True).of_type("AWS::IAM::Role").items():
            document = {"Version": "2012-10-17", "Statement": list(statements_of(properties))}
            documents[f"{variant.name}/{role}"] = document
    done = run([SAM / "python", ROOT / "aws" / "policies.py"], given=json.dumps(documents))
    found: Findings = {variant.name: [] for variant in variants}
    for place, told in json.loads(done.stdout).items():
        found[place.partition("/")[0]] += [
            f"{place.partition('/')[2]}: {one}" for one in told if not one.endswith(tuple(ACCEPTED))
        ]
    return found


def _definitions(variant: Variant) -> Mapping[str, dict[str, Any]]:
    """The definitions of a variant that can be read at all; what cannot is the contract check's to say."""
    made = {}
    with suppress(InvalidInput):
        for name, machine in variant.application.filled(options=True).machines():
            with suppress(InvalidInput):
                made[name] = definition_of(variant.application, machine)
    return made
