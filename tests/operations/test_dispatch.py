"""The table of operations, tokens, and both ways to call."""

import ast
import asyncio
from pathlib import Path

import pytest
from tests.operations.world import CALLER, SERVICES, World

import customlabels.operations
from customlabels.errors import ServiceError
from customlabels.operations import table
from customlabels.wire import Invocation, check_output

COMMON = {
    "AccessDeniedException",
    "InternalServerError",
    "InvalidParameterException",
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "ValidationException",
}
# What S3 answers on every operation, though the model lists it for few of them or for none.
S3_PROTOCOL = {
    "NoSuchBucket",
    "NoSuchKey",
    "NoSuchUpload",
    "AccessDenied",
    "InvalidRequest",
    "NotImplemented",
    "InvalidArgument",
}
NO_MORE_THAN_MODELLED = {"stepfunctions": {"ValidationException"}, "s3": S3_PROTOCOL}


def test_every_handler_is_of_an_operation_in_the_model() -> None:
    for service, name in table():
        assert name in SERVICES.shape_only(service).operations


def test_our_own_service_is_answered_whole() -> None:
    answered = {name for service, name in table() if service == "customlabels"}

    assert answered == set(SERVICES["customlabels"].operations)


@pytest.fixture(scope="module")
def sources() -> "Sources":
    return Sources()


@pytest.mark.parametrize(("service", "name"), sorted(table()))
def test_handlers_raise_only_what_the_model_lists(sources: "Sources", service: str, name: str) -> None:
    """The codes that stand in a handler, and in whatever of this room it calls."""
    operation = SERVICES.shape_only(service).operation(name)
    modelled = {shape.name for shape in operation.error_shapes}

    raised = sources.codes(table()[service, name].__name__, service)

    assert raised <= modelled | NO_MORE_THAN_MODELLED.get(service, COMMON)


class Sources:
    """The functions of the room with the error codes in their text and the names that they use."""

    def __init__(self) -> None:
        self.functions: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = {}
        for file in Path(customlabels.operations.__file__).parent.glob("*.py"):
            for node in ast.parse(file.read_text()).body:
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    self.functions.setdefault(f"{file.stem}.{node.name}", []).append(node)

    def codes(self, handler: str, service: str) -> set[str]:
        known = set(SERVICES.shape_only(service).statuses) | S3_PROTOCOL | COMMON
        found: set[str] = set()
        seen: set[str] = set()
        waiting = [key for key in self.functions if key.endswith(f".{handler}")]
        decorated = [key for key in waiting if self._is_handler(key, service)]
        waiting = decorated or waiting
        while waiting:
            key = waiting.pop()
            seen.add(key)
            module = key.partition(".")[0]
            for function in self.functions[key]:
                for node in ast.walk(function):
                    if isinstance(node, ast.Constant) and node.value in known:
                        found.add(str(node.value))
                    if isinstance(node, ast.Name):
                        waiting += [other for other in self._named(node.id, module) if other not in seen]
        return found

    def _is_handler(self, key: str, service: str) -> bool:
        return any(
            isinstance(decorator, ast.Call) and ast.unparse(decorator).startswith(f"operation('{service}'")
            for function in self.functions[key]
            for decorator in function.decorator_list
        )

    def _named(self, name: str, module: str) -> list[str]:
        own = f"{module}.{name}"
        if own in self.functions:
            return [own]
        return [key for key in self.functions if key.endswith(f".{name}") and not name.startswith("_")]


def test_what_is_not_offered_says_so(world: World) -> None:
    with pytest.raises(ServiceError, match="CompareFaces of rekognition is not offered") as refused:
        world.dispatcher.call(Invocation("rekognition", "CompareFaces", {}, CALLER, "r"))

    assert refused.value.code == "UnknownOperationException"


def test_a_repeated_token_gets_the_first_answer_and_has_no_second_effect(world: World) -> None:
    first = world.rekognition("CreateProject", ProjectName="p", token="t")
    again = world.rekognition("CreateProject", ProjectName="p", token="t")

    assert first == again
    assert len(world.rekognition("DescribeProjects")["ProjectDescriptions"]) == 1


def test_a_repeated_token_is_answered_though_what_it_named_is_gone(world: World) -> None:
    project = world.project()
    source = world.put_manifest("a.manifest", ["{}"])
    request = {"ProjectArn": project, "DatasetType": "TRAIN", "DatasetSource": source}
    first = world.rekognition("CreateDataset", token="t", **request)
    world.objects.delete("images-of-mine", "a.manifest")

    assert world.rekognition("CreateDataset", token="t", **request) == first


def test_an_empty_answer_is_an_answer_too(world: World) -> None:
    dataset = world.dataset(world.project(), "TRAIN")

    assert world.rekognition("DeleteDataset", DatasetArn=dataset, token="t") == {}
    assert world.rekognition("DeleteDataset", DatasetArn=dataset, token="t") == {}


def test_a_refused_request_leaves_its_token_free(world: World) -> None:
    world.project("p")
    with pytest.raises(ServiceError):
        world.rekognition("CreateProject", ProjectName="p", token="t")

    assert world.rekognition("CreateProject", ProjectName="q", token="t")["ProjectArn"]


def test_the_http_port_awaits_answers_of_both_kinds_of_handlers(world: World) -> None:
    async def ask(name: str) -> dict[str, object]:
        return dict(await world.dispatcher.acall(Invocation("customlabels", name, {}, CALLER, "r")))

    for name in ("ListUnits", "ListBuckets", "DescribeServer"):
        answer = world.loop.run(ask(name))
        check_output(SERVICES["customlabels"].operation(name), answer)


def test_many_threads_may_call_at_once(world: World) -> None:
    async def ask() -> list[dict[str, object]]:
        calls = [
            world.dispatcher.acall(
                Invocation("rekognition", "CreateProject", {"ProjectName": f"p{at}"}, CALLER, "r")
            )
            for at in range(20)
        ]
        return list(await asyncio.gather(*calls))

    arns = {str(answer["ProjectArn"]).rpartition("/")[2] for answer in world.loop.run(ask())}

    assert len(arns) == 20
