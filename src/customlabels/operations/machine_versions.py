"""Versions and aliases of state machines: the calls of Step Functions."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import Any

from customlabels.errors import ServiceError
from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.machines import own_machine
from customlabels.operations.pages import STATES, one_page
from customlabels.operations.refusals import invalid_request
from customlabels.operations.states_arns import arn_of_kind, own_arn
from customlabels.operations.states_tags import delete_with_tags
from customlabels.workflows import Alias, Version

Routes = tuple[tuple[str, int], ...]


@operation("stepfunctions", "PublishStateMachineVersion")
def publish_state_machine_version(call: Call) -> Response:
    """A new version of the machine as it is; the same revision again is answered with the version it has."""
    params = call.params
    arn = own_machine(call, params["stateMachineArn"])
    version = call.parts.versions.publish(arn, params.get("description"), params.get("revisionId"))
    return {"stateMachineVersionArn": version.arn, "creationDate": version.created_at}


@operation("stepfunctions", "ListStateMachineVersions")
def list_state_machine_versions(call: Call) -> Response:
    """The versions of a machine, newest first."""
    arn, versions = call.params["stateMachineArn"], call.parts.versions
    arn_of_kind(arn, "stateMachine")

    def shown(version: Version) -> Response:
        return {"stateMachineVersionArn": version.arn, "creationDate": version.created_at}

    look = partial(versions.list, arn)
    return one_page(call, STATES, "stateMachineVersions", look, shown, attrgetter("number"))


@operation("stepfunctions", "DeleteStateMachineVersion")
def delete_state_machine_version(call: Call) -> Response:
    """Delete a version that no alias names; one that is not there is no error."""
    arn = call.params["stateMachineVersionArn"]
    return delete_with_tags(call, "stateMachine", arn, call.parts.versions.delete)


@operation("stepfunctions", "CreateStateMachineAlias")
def create_state_machine_alias(call: Call) -> Response:
    """A new name for one or two versions of one machine."""
    params = call.params
    routes = _routes(call, params["routingConfiguration"])
    machine = routes[0][0].rpartition(":")[0]
    alias = Alias(f"{machine}:{params['name']}", machine, params["name"], params.get("description"), routes)
    made = call.parts.versions.name(alias)
    return {"stateMachineAliasArn": made.arn, "creationDate": made.created_at}


@operation("stepfunctions", "DescribeStateMachineAlias")
def describe_state_machine_alias(call: Call) -> Response:
    """An alias and where it leads."""
    alias = call.parts.versions.describe_alias(_own(call, call.params["stateMachineAliasArn"]))
    return {
        "stateMachineAliasArn": alias.arn,
        "name": alias.name,
        "description": alias.description,
        "routingConfiguration": [
            {"stateMachineVersionArn": arn, "weight": weight} for arn, weight in alias.routes
        ],
        "creationDate": alias.created_at,
        "updateDate": alias.updated_at,
    }


@operation("stepfunctions", "UpdateStateMachineAlias")
def update_state_machine_alias(call: Call) -> Response:
    """Change an alias's description or versions."""
    params = call.params
    arn = _own(call, call.params["stateMachineAliasArn"])
    if not params.keys() & {"description", "routingConfiguration"}:
        raise invalid_request("Either the description or the routing configuration is needed")
    given = params.get("routingConfiguration")
    routes = None if given is None else _routes(call, given)
    alias = call.parts.versions.change_alias(arn, params.get("description"), routes)
    return {"updateDate": alias.updated_at}


@operation("stepfunctions", "ListStateMachineAliases")
def list_state_machine_aliases(call: Call) -> Response:
    """The aliases of a machine, or of one version, oldest first."""
    versions = call.parts.versions
    arn = own_machine(call, call.params["stateMachineArn"])
    versions.find(arn)

    def shown(alias: Alias) -> Response:
        return {"stateMachineAliasArn": alias.arn, "creationDate": alias.created_at}

    look, place = partial(versions.list_aliases, arn), attrgetter("created_at", "arn")
    return one_page(call, STATES, "stateMachineAliases", look, shown, place)


@operation("stepfunctions", "DeleteStateMachineAlias")
def delete_state_machine_alias(call: Call) -> Response:
    """Delete an alias; its versions stay."""
    arn = _own(call, call.params["stateMachineAliasArn"])
    return call.write(lambda tx: call.parts.versions.delete_alias(tx, arn))


def _own(call: Call, arn: str) -> str:
    missing = ServiceError("ResourceNotFound", "Request references a resource that does not exist.")
    return own_arn(call, arn, "stateMachine", missing)


def _routes(call: Call, given: list[dict[str, Any]]) -> Routes:
    """Version ARN and weight; ValidationException where they do not make one whole."""
    routes = tuple((each["stateMachineVersionArn"], each["weight"]) for each in given)
    machines = {arn.rpartition(":")[0] for arn, _weight in routes}
    for arn, _weight in routes:
        _own(call, arn)
    if sum(weight for _arn, weight in routes) != 100:
        raise invalid_request("Sum of routing configuration weights must equal 100")
    if len(machines) != 1 or len(dict(routes)) != len(routes):
        raise invalid_request("the routing configuration must name different versions of one state machine")
    return routes
