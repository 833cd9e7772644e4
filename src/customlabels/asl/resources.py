"""Task resources: which family of events an ARN belongs to, and how the history splits it.

Whether the shell can run a resource is the shell's affair; here it only has to be one that can be named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Resource", "parse_resource"]

FUNCTION = re.compile(r"arn:[a-z0-9-]+:lambda:[a-z0-9-]*:\d*:function:[A-Za-z0-9_-]+(?::[A-Za-z0-9$_-]+)?")
ACTIVITY = re.compile(r"arn:[a-z0-9-]+:states:[a-z0-9-]+:\d+:activity:[^\s\[\]{}?*\"#%\\^|~`$&,;:/<>]{1,80}")
SERVICE = re.compile(
    r"arn:[a-z0-9-]+:states:::(?P<type>aws-sdk:[a-z0-9]+|[a-z0-9-]+):"
    r"(?P<resource>[A-Za-z][A-Za-z0-9]*(?P<pattern>\.sync:2|\.sync|\.waitForTaskToken)?)"
)


@dataclass(frozen=True)
class Resource:
    """family: "Task", "LambdaFunction" or "Activity", with which the event types begin.

    kind, name: `resourceType` and `resource` of the history; pattern: ".sync", ".waitForTaskToken" or "".
    """

    arn: str
    family: str
    kind: str
    name: str
    pattern: str = ""

    @property
    def has_token(self) -> bool:
        """Whether `$$.Task.Token` exists while its parameters are made."""
        return self.pattern == ".waitForTaskToken"

    @property
    def shown(self) -> str:
        """The name that errors about it use."""
        return self.kind if self.family == "Task" else self.arn


def parse_resource(arn: str) -> Resource | None:
    """The resource of an ARN; None for a text that names none."""
    match = SERVICE.fullmatch(arn)
    if match:
        return Resource(arn, "Task", match["type"], match["resource"], match["pattern"] or "")
    if FUNCTION.fullmatch(arn):
        return Resource(arn, "LambdaFunction", "lambda", arn)
    if ACTIVITY.fullmatch(arn):
        return Resource(arn, "Activity", "activity", arn)
    return None
