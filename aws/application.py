"""The application's files, and the template as CloudFormation would fill it in.

A fault is an edit of one file, so every step takes an Application and never a path of the checkout.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from customlabels.errors import InvalidInput

ROOT = Path(__file__).parents[1]
PATTERNS = (
    "template.yaml",
    "samconfig.toml",
    "statemachine/*.yaml",
    ".github/workflows/*.yml",
    "src/Makefile",
)
HERE = "eu-west-1:111122223333"
REQUIRED = {
    "TrainingDatasetArnToCopyFrom": f"arn:aws:rekognition:{HERE}:project/source/dataset/train/1",
    "TestDatasetArnToCopyFrom": f"arn:aws:rekognition:{HERE}:project/source/dataset/test/1",
    "OutputBucketName": "results",
}
# Every option of the template, used.
OPTIONS = {
    "ImagesBucketName": "images",
    "AlarmTopicArn": f"arn:aws:sns:{HERE}:alarms",
    "KmsKeyArn": f"arn:aws:kms:{HERE}:key/00000000-aaaa-bbbb-cccc-000000000000",
    "ApprovalEmail": "judge@example.com",
    "NotificationEmail": "team@example.com",
    "ScheduleExpression": "rate(7 days)",
    "StartOnObjectKey": "manifests/train.manifest",
    "AutoStopIdleHours": "2",
    "AutoStopTotalHours": "24",
    "Dashboard": "true",
    "PermissionsBoundaryArn": "arn:aws:iam::111122223333:policy/boundary",
}
PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "111122223333",
    "AWS::StackName": "pipeline",
    "AWS::URLSuffix": "amazonaws.com",
}
NOTHING = object()  # AWS::NoValue: what has it is left out
REFS = {  # what Ref gives, by type; for others it is the logical id
    "AWS::Serverless::StateMachine": f"arn:aws:states:{HERE}:stateMachine:{{}}",
    "AWS::SNS::Topic": f"arn:aws:sns:{HERE}:{{}}",
}
ARNS = REFS | {  # what GetAtt Arn gives
    "AWS::Serverless::Function": f"arn:aws:lambda:{HERE}:function:{{}}",
    "AWS::IAM::Role": "arn:aws:iam::111122223333:role/{}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{HERE}:log-group:{{}}",
}


class TemplateError(InvalidInput):
    """A template that CloudFormation could not fill in."""


class _Loader(yaml.SafeLoader):
    """CloudFormation's YAML: short forms such as `!Sub text`; a key that stands twice is refused."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any = node.value
    if isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    if suffix == "GetAtt":
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [key.value for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise TemplateError(f"line {node.start_mark.line + 1}: the key {key!r} stands twice")
    return loader.construct_mapping(node, deep=True)


_Loader.add_multi_constructor("!", _short_form)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


@cache
def read_template(text: str) -> dict[str, Any]:
    """A template as data, in the long forms, never changed. Raises TemplateError."""
    try:
        loaded = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise TemplateError(f"the template is no YAML: {error}") from error
    if not isinstance(loaded, dict):
        raise TemplateError("the template is no object")
    return loaded


@dataclass(frozen=True)
class Application:
    """files: path in the checkout -> text"""

    files: Mapping[str, str]

    @classmethod
    def of(cls, root: Path = ROOT) -> Application:
        """The files of a checkout."""
        found = (file for pattern in PATTERNS for file in sorted(root.glob(pattern)))
        return cls({file.relative_to(root).as_posix(): file.read_text("utf-8") for file in found})

    def write(self, folder: Path) -> None:
        """Write the files under a folder, for tools that read files."""
        for path, text in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")

    @cached_property
    def template(self) -> dict[str, Any]:
        """The template as data, in the long forms. Raises TemplateError."""
        return read_template(self.files["template.yaml"])

    def parameters(self, *, options: bool) -> dict[str, str]:
        """Values for a stack: only what must be given, or every option used as well."""
        given = {name: about.get("Default") for name, about in self.template["Parameters"].items()}
        return {name: str(value) for name, value in (given | REQUIRED | (OPTIONS if options else {})).items()}

    def filled(self, *, options: bool) -> Filled:
        """The template with parameters in their places. Raises TemplateError."""
        return Filled(self.template, self.parameters(options=options))


@dataclass(frozen=True)
class Filled:
    """A template with its parameters: `resources` and `outputs` are what CloudFormation would make of it."""

    template: Mapping[str, Any]
    parameters: Mapping[str, str]

    @cached_property
    def resources(self) -> dict[str, Any]:
        """The resources whose condition holds, by logical id."""
        return {
            name: self._value(resource)
            for name, resource in self.template["Resources"].items()
            if self.holds(resource.get("Condition"))
        }

    @cached_property
    def outputs(self) -> dict[str, Any]:
        """The values of the outputs whose condition holds."""
        wanted = {k: v for k, v in self.template["Outputs"].items() if self.holds(v.get("Condition"))}
        return {name: self._value(output["Value"]) for name, output in wanted.items()}

    def of_type(self, *types: str) -> dict[str, dict[str, Any]]:
        """Properties of the resources of these types, by logical id."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.resources.items()
            if resource["Type"] in types
        }

    def machines(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The state machines and their properties."""
        yield from self.of_type("AWS::Serverless::StateMachine").items()

    def holds(self, condition: Any) -> bool:
        """Whether a condition (its name, or the function itself) holds; none at all always does."""
        if condition is None:
            return True
        if isinstance(condition, str):
            if condition not in self.template.get("Conditions", {}):
                raise TemplateError(f"there is no condition {condition}")
            return self.holds(self.template["Conditions"][condition])
        ((function, value),) = condition.items()
        if function == "Condition":
            return self.holds(value)
        if function == "Fn::Equals":
            left, right = (str(self._value(side)) for side in value)
            return left == right
        each = [self.holds(one) for one in value]
        return {"Fn::Not": not each[0], "Fn::And": all(each), "Fn::Or": any(each)}[function]

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [one for one in map(self._value, value) if one is not NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, inner),) = value.items()
            if name == "Ref":
                return self._ref(inner)
            if name.startswith("Fn::"):
                return self._function(name, inner)
        filled = {key: self._value(inner) for key, inner in value.items()}
        return {key: inner for key, inner in filled.items() if inner is not NOTHING}

    def _function(self, name: str, inner: Any) -> Any:
        if name == "Fn::If":
            condition, then, otherwise = inner
            return self._value(then if self.holds(condition) else otherwise)
        if name == "Fn::GetAtt":
            return self._attribute(*inner)
        if name == "Fn::Sub":
            text, extra = (inner, {}) if isinstance(inner, str) else inner
            return re.sub(r"\$\{([^}!]+)\}", lambda found: str(self._place(found[1], extra)), text)
        if name == "Fn::Join":
            return inner[0].join(str(self._value(one)) for one in inner[1])
        raise TemplateError(f"{name} is not used here")

    def _place(self, name: str, extra: Mapping[str, Any]) -> Any:
        if name in extra:
            return self._value(extra[name])
        return self._attribute(*name.split(".", 1)) if "." in name else self._ref(name)

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NOTHING
        if name in PSEUDO:
            return PSEUDO[name]
        if name in self.parameters:
            return self.parameters[name]
        return REFS.get(self._type(name), "{}").format(name)

    def _attribute(self, name: str, attribute: str) -> str:
        kind = self._type(name)
        if attribute != "Arn" or kind not in ARNS:
            raise TemplateError(f"{attribute} of {name} ({kind}) is not known here")
        return ARNS[kind].format(name)

    def _type(self, name: str) -> str:
        resource = self.template["Resources"].get(name)
        if resource is None:
            raise TemplateError(f"there is no parameter and no resource {name}")
        if not self.holds(resource.get("Condition")):
            raise TemplateError(f"{name} is referred to though its condition does not hold")
        return str(resource["Type"])
