"""What project policies allow: their documents read, checked, and asked.

Layer: operations. Pure. This server knows callers by their account: it can tell neither users and roles of
an account from one another, nor the conditions of AWS. What cannot be verified never allows, always denies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from customlabels.errors import ServiceError

ACTION = "rekognition:copyprojectversion"
NEEDED = ("Effect", "Principal", "Action", "Resource")
KNOWN = {*NEEDED, "Sid", "Condition"}
ROOT = re.compile(r"arn:[a-z\d-]+:iam::(\d{12}):root|(\d{12})", re.ASCII)
NAMED = re.compile(
    r"arn:[a-z\d-]+:(?:iam|sts)::(\d{12}):(?:user|role|assumed-role|federated-user)/.+", re.ASCII
)

Statement = Mapping[str, Any]


def check_policy(document: str) -> None:
    """Hold a policy document to its rules; MalformedPolicyDocumentException names the one that is broken."""
    statements = _statements(document)
    if statements is None:
        raise _malformed("it is no JSON object with a Statement")
    if not statements:
        raise _malformed("it has no statement")
    for number, statement in enumerate(statements, start=1):
        if problem := _problem(statement):
            raise _malformed(f"statement {number}: {problem}")


def is_allowed(documents: Iterable[str], account: str, version: str) -> bool:
    """Whether any of the policies lets the account copy the version."""
    allowing = (one for one in _all(documents) if one["Effect"].lower() == "allow")
    return any(
        "Condition" not in one and account in _accounts(one) and _covers(one, version) for one in allowing
    )


def is_denied(documents: Iterable[str], account: str, version: str) -> bool:
    """Whether any of the policies forbids the account, or perhaps somebody in it, to copy the version."""
    denying = (one for one in _all(documents) if one["Effect"].lower() == "deny")
    return any(account in _accounts(one, also_named=True) and _covers(one, version) for one in denying)


def _problem(statement: Any) -> str | None:
    """The first rule that the statement breaks."""
    if not isinstance(statement, dict):
        return "it is not an object"
    if missing := [name for name in NEEDED if name not in statement]:
        return f"{', '.join(missing)} is missing; each statement has {', '.join(NEEDED)}"
    if foreign := sorted(statement.keys() - KNOWN):
        return f"{', '.join(foreign)} is not allowed here"
    actions, resources = _texts(statement["Action"]), _texts(statement["Resource"])
    rules = (
        (_effect(statement) in ("allow", "deny"), "Effect is Allow or Deny"),
        (
            bool(actions) and all(action.lower() == ACTION for action in actions),
            "Action is rekognition:CopyProjectVersion and nothing else",
        ),
        (
            bool(resources) and all(one == "*" or one.startswith("arn:") for one in resources),
            "Resource names versions by their ARN, or is *",
        ),
        (_principals(statement) is not None, 'Principal is *, or {"AWS": ...} with accounts or ARNs of IAM'),
        (isinstance(statement.get("Condition", {}), dict), "Condition is an object"),
    )
    return next((rule for holds, rule in rules if not holds), None)


def _malformed(problem: str) -> ServiceError:
    return ServiceError("MalformedPolicyDocumentException", f"The policy document cannot be used: {problem}")


def _statements(document: str) -> list[Any] | None:
    try:
        value = json.loads(document)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or "Statement" not in value:
        return None
    statements = value["Statement"]
    return statements if isinstance(statements, list) else [statements]


def _all(documents: Iterable[str]) -> Iterable[Statement]:
    """The statements of documents that `check_policy` has let through."""
    return (statement for document in documents for statement in _statements(document) or ())


def _effect(statement: Statement) -> str:
    effect = statement["Effect"]
    return effect.lower() if isinstance(effect, str) else ""


def _texts(value: Any) -> Sequence[str]:
    """One text or several, as a policy may have either; none where it is something else."""
    values = value if isinstance(value, list) else [value]
    return values if all(isinstance(one, str) for one in values) else ()


def _principals(statement: Statement) -> Sequence[str] | None:
    """Whom the statement is about; None where that cannot be read."""
    principal = statement["Principal"]
    if principal == "*":
        return ["*"]
    if not isinstance(principal, dict) or principal.keys() != {"AWS"}:
        return None
    named = _texts(principal["AWS"])
    fit = all(one == "*" or ROOT.fullmatch(one) or NAMED.fullmatch(one) for one in named)
    return named if named and fit else None


class _Everybody:
    def __contains__(self, account: object) -> bool:
        return True


def _accounts(statement: Statement, also_named: bool = False) -> set[str] | _Everybody:
    """The accounts as a whole that the statement is about; with those of its users and roles, if wished."""
    named = _principals(statement) or ()
    if "*" in named:
        return _Everybody()
    matches = [ROOT.fullmatch(one) or (also_named and NAMED.fullmatch(one)) for one in named]
    return {next(filter(None, match.groups())) for match in matches if match}


def _covers(statement: Statement, version: str) -> bool:
    """Whether a Resource of the statement is the version; * and ? stand for other characters, as in IAM."""
    return any(fnmatchcase(version, one.replace("[", "[[]")) for one in _texts(statement["Resource"]))
