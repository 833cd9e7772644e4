"""`sam deploy` and `sam delete` against moto's server: stacks made, updated from the ancestor's, and gone.

moto takes what CloudFormation would refuse, so what it made is looked at; that it deploys proves little by
itself. It does not transform SAM (a stack without resources is "complete") and leaves ${...} in definitions.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from aws.application import OPTIONS, REQUIRED, Application, read_template
from aws.tools import ENVIRONMENT, SAM, Findings, Variant, run, transform

UNNAMED = {"AWS::CloudWatch::Alarm", "AWS::Scheduler::Schedule"}  # moto forgets their names, or makes none
CODE, STACK, REGION = "code", "pipeline", "us-east-1"
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": REGION}


def deploy(variants: list[Variant], package: Path) -> Findings:
    """Deploy each variant over a stack of the ancestor's shape, then anew with every option; delete both."""
    found: Findings = {}
    with moto_server() as url:
        for variant in variants:
            try:
                # A fault is found before its function matters: the package, which is large, is spared.
                code = package if variant is variants[0] else Path(__file__).parent
                found[variant.name] = list(_Stack(url, variant, code).findings())
            except subprocess.CalledProcessError as error:
                found[variant.name] = [f"{error.cmd[1]}: {(error.stderr or error.stdout)[-1500:]}"]
    return found


@contextmanager
def moto_server() -> Iterator[str]:
    """A server of moto's on a free port; named `localhost`, for it reads a dotted host as a bucket."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = Path(sys.executable).with_name("moto_server")
    server = subprocess.Popen(
        [program, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://localhost:{port}"
    finally:
        server.terminate()
        server.wait(30)


class _Stack:
    """One stack on a moto server, from the ancestor's to none."""

    def __init__(self, url: str, variant: Variant, package: Path) -> None:
        self.url, self.variant, self.package = url, variant, package
        self.name = f"{STACK}-{variant.name}"
        self.cloudformation, self.states, self.s3 = (
            boto3.client(service, endpoint_url=url, **KEYS)
            for service in ("cloudformation", "stepfunctions", "s3")
        )
        self.before = {machine["stateMachineArn"] for machine in self._machines()}

    def findings(self) -> Iterator[str]:
        """What is wrong with the stack at each of its stages."""
        self.s3.create_bucket(Bucket=CODE)
        old = self.variant.folder / "old"
        Application({"template.yaml": Path(__file__).with_name("ancestor.yaml").read_text("utf-8")}).write(
            old
        )
        transform([Variant("old", self.variant.application, old)])
        self._sam_deploy(old / "cfn.json", REQUIRED)
        machine = self._resources()["RekognitionStateMachine"]
        template = self._with_package()
        # No parameter is given again: an update must be content with those that the stack has.
        self._sam_deploy(template, {})
        problems = list(self._moved(machine)) or list(self._as_rendered(options=False))
        self._delete()
        if problems:
            yield from problems
            return
        # A stack of its own: moto cannot update log groups.
        self._sam_deploy(template, REQUIRED | OPTIONS)
        yield from self._as_rendered(options=True)
        self._delete()
        left = {one["stateMachineArn"] for one in self._machines()} - self.before
        if left:
            yield f"sam delete leaves {sorted(left)}"

    def _moved(self, machine: str) -> Iterator[str]:
        after = self._resources()
        if after.get("RekognitionStateMachine") != machine:
            yield f"the update replaces the state machine {machine}"
            return
        # moto reckons outputs when a stack is made, not when it is updated: read the deployed template.
        body = self.cloudformation.get_template(StackName=self.name)["TemplateBody"]
        outputs = (body if isinstance(body, dict) else read_template(body))["Outputs"]
        if outputs.get("RekognitionStateMachineArn", {}).get("Value") != {"Ref": "RekognitionStateMachine"}:
            yield "the update changes the output RekognitionStateMachineArn"
        stack = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        kept = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
        if not kept.items() >= REQUIRED.items():
            yield f"the update changes the parameters: {kept}"
        definition = self.states.describe_state_machine(stateMachineArn=machine)["definition"]
        if "Copy datasets" not in json.loads(definition).get("States", {}):
            yield "the update leaves the old definition"

    def _as_rendered(self, *, options: bool) -> Iterator[str]:
        wanted = self.variant.application.filled(options=options).resources
        expected = {name for name, resource in wanted.items() if resource["Type"] not in UNNAMED}
        made = set(self._resources()) - {""}
        if made != expected:
            yield f"resources with options {options}: lacks {expected - made}, has besides {made - expected}"

    def _with_package(self) -> Path:
        """The template with the folder that `sam build` made as the function's code: `sam deploy` uploads it.

        In a folder of its own, away from samconfig.toml, whose resolve_s3 moto cannot follow.
        """
        made = json.loads((self.variant.folder / "cfn.json").read_text("utf-8"))
        for resource in made["Resources"].values():
            if resource["Type"] == "AWS::Lambda::Function":
                resource["Properties"]["Code"] = str(self.package)
        template = self.variant.folder / "stack" / "cfn.json"
        template.parent.mkdir(exist_ok=True)
        template.write_text(json.dumps(made), encoding="utf-8")
        return template

    def _sam_deploy(self, template: Path, parameters: dict[str, str]) -> None:
        given = [f"{name}={value}" for name, value in parameters.items()]
        self._sam(
            "deploy", "-t", str(template), "--stack-name", self.name, "--s3-bucket", CODE, "--region", REGION,
            "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar",
            "--no-fail-on-empty-changeset", *(["--parameter-overrides", *given] if given else []),
        )  # fmt: skip

    def _delete(self) -> None:
        self._sam("delete", "--stack-name", self.name, "--no-prompts", "--region", REGION)

    def _sam(self, *words: str) -> None:
        ENVIRONMENT["AWS_ENDPOINT_URL"] = self.url
        try:
            run([SAM / "sam", *words], cwd=self.variant.folder).check_returncode()
        finally:
            del ENVIRONMENT["AWS_ENDPOINT_URL"]

    def _resources(self) -> dict[str, str]:
        pages = self.cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.name)
        listed = (one for page in pages for one in page["StackResourceSummaries"])
        return {one["LogicalResourceId"]: one.get("PhysicalResourceId", "") for one in listed}

    def _machines(self) -> list[dict[str, Any]]:
        machines: list[dict[str, Any]] = self.states.list_state_machines()["stateMachines"]
        return machines
