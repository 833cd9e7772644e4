"""The contract of Custom Labels: each operation, each constraint, each error; by the wire's application."""

import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.operations.refused_requests import LIMITS, NEVER, OPERATIONS, REFUSED, Stage, modelled
from tests.operations.world import ACCOUNT, IMAGES, OUTPUT, REGION, SERVICES, World, manifest_line
from tests.wire.asgi import Answer, call, posted, scope_of
from tests.wire.generating import breaches, values

from customlabels.operations import table
from customlabels.wire import Signatures, WireApp

COMMON = {
    "AccessDeniedException",
    "InvalidParameterException",
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "ValidationException",
}


def test_every_operation_of_custom_labels_is_answered() -> None:
    assert {name for service, name in table() if service == "rekognition"} == set(OPERATIONS)


def test_the_page_about_the_api_is_as_the_code_is() -> None:
    script = Path(__file__).parents[2] / "docs" / "write_api.py"
    written = runpy.run_path(str(script))

    assert written["PAGE"].read_text() == written["page"](), "run python docs/write_api.py"


def test_every_modelled_error_is_provoked_or_explained() -> None:
    pairs = {(operation, code) for operation in OPERATIONS for code in modelled(operation)}

    assert REFUSED.keys() | NEVER.keys() == pairs
    assert not REFUSED.keys() & NEVER.keys()


@pytest.mark.parametrize(("operation", "code"), REFUSED, ids=str)
def test_an_operation_refuses_with_the_error_of_its_model(operation: str, code: str, tmp_path: Path) -> None:
    world = World(tmp_path, LIMITS)
    try:
        request = REFUSED[operation, code](Stage(world))

        assert world.refusal(operation, **request) == code
    finally:
        world.close()


# ---------------------------------------------------------------- any request at all


class Wire:
    """A world behind its ASGI application, every answer held to its model."""

    def __init__(self, world: World) -> None:
        self.world = world
        dispatch = world.dispatcher.acall
        signatures = Signatures({}, default_account=ACCOUNT, default_region=REGION)
        self._app = WireApp(SERVICES, dispatch, signatures, check_outputs=True)

    def post(self, operation: str, params: Any) -> Answer:
        body = json.dumps(params, default=lambda value: value.decode()).encode()
        return call(self._app, scope_of(f"RekognitionService.{operation}"), posted(body))

    def check(self, operation: str, params: Any) -> str:
        """Post it; the code of the refusal, which the operation may give, or nothing."""
        answer = self.post(operation, params)
        told = answer.json
        if answer.status == 200:
            return ""
        code, allowed = str(told["__type"]), modelled(operation) | COMMON | {"SerializationException"}
        assert answer.status < 500, f"{operation} {params}: {told}"
        assert code in allowed, f"{operation} {params}: {told}"
        assert told["message"]
        assert answer.headers["x-amzn-errortype"] == code
        return code


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A world with a project, both datasets and a version."""
    world = World(tmp_path_factory.mktemp("contract"))
    world.trained()
    yield Wire(world)
    world.close()


few = settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("operation", OPERATIONS)
@few
@given(data=st.data())
def test_each_broken_constraint_is_a_validation_error(
    operation: str, data: st.DataObject, wire: Wire
) -> None:
    shape = SERVICES["rekognition"].operation(operation).input_shape
    params = data.draw(values(shape))
    before = rows(wire.world)

    codes = {wire.check(operation, broken) for _path, broken in breaches(shape, params)}

    assert codes <= {"ValidationException", "SerializationException"}
    assert rows(wire.world) == before


def rows(world: World) -> list[Any]:
    """What requests could have changed."""
    return [world.rekognition("DescribeProjects"), world.open_jobs()]


NAMES = ["animals", "a", "b", "gone"]
PARTS: dict[str, list[Any]] = {
    "VersionName": ["v1", "v2", "v3"],
    "ProjectName": NAMES,
    "S3Bucket": [IMAGES, OUTPUT, "not-registered"],
    "S3ObjectName": ["a.manifest", "0.png", "nowhere"],
    "ProjectPolicyDocument": ["{}", '{"Statement":[]}', "["],
    "DatasetLabel": ["cat", "dog", "none"],
    "GroundTruthBlob": ["e30=", "bm9uZQ=="],
}


def arns(world: World) -> dict[str, list[str]]:
    """Those that are there now, and some that are not."""
    projects = world.rekognition("DescribeProjects")["ProjectDescriptions"]
    found = {
        "ProjectArn": [each["ProjectArn"] for each in projects],
        "DatasetArn": [each["DatasetArn"] for one in projects for each in one["Datasets"]],
        "ProjectVersionArn": [
            each["ProjectVersionArn"]
            for one in projects
            for each in world.rekognition("DescribeProjectVersions", ProjectArn=one["ProjectArn"])[
                "ProjectVersionDescriptions"
            ]
        ],
    }
    project = f"arn:aws:rekognition:{REGION}:{ACCOUNT}:project/gone"
    found["ProjectArn"].append(f"{project}/1")
    found["DatasetArn"].append(f"{project}/dataset/test/1")
    found["ProjectVersionArn"].append(f"{project}/version/v/1".replace(ACCOUNT, "9" * 12))
    found["ResourceArn"] = [arn for each in found.values() for arn in each]
    return found


def drawn(shape: Any, pools: dict[str, list[Any]], draw: Any, depth: int = 0) -> Any:
    """A request with values that mean something to this world, members left out at will."""
    if shape.name in pools:
        # By number: what hypothesis draws must not depend on what is there at the moment.
        return pools[shape.name][draw(st.integers(0, 99)) % len(pools[shape.name])]
    if shape.type_name == "structure":
        required = set(shape.required_members)
        return {
            name: drawn(member, pools, draw, depth + 1)
            for name, member in shape.members.items()
            if name in required or draw(st.integers(0, 2)) == 0
        }
    if shape.type_name == "list":
        least, most = shape.metadata.get("min", 0), min(shape.metadata.get("max", 2), 2)
        return [drawn(shape.member, pools, draw, depth + 1) for _ in range(draw(st.integers(least, most)))]
    return draw(values(shape))


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_any_sequence_of_requests_is_answered_as_the_models_say(data: st.DataObject, wire: Wire) -> None:
    wire.world.put_manifest("a.manifest", [manifest_line(at) for at in range(5)])
    for _ in range(12):
        operation = data.draw(st.sampled_from(OPERATIONS))
        shape = SERVICES["rekognition"].operation(operation).input_shape
        wire.check(operation, drawn(shape, PARTS | arns(wire.world), data.draw))
    wire.world.settle()

    for each in wire.world.rekognition("DescribeProjects")["ProjectDescriptions"]:
        assert not [one for one in each["Datasets"] if one["Status"].endswith("_IN_PROGRESS")]
