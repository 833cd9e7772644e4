"""Rules that hold for each operation of the three services, over values made from their models."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.wire.conftest import OWN_MODELS
from tests.wire.generating import breaches, values

from customlabels.errors import ServiceError
from customlabels.wire import Services, load_services, validate

SERVICES = load_services(OWN_MODELS)
OPERATIONS = [(service.name, operation) for service in SERVICES for operation in service.operations]

few = settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.large_base_example],
)


@pytest.mark.parametrize(("service", "name"), OPERATIONS)
@few
@given(data=st.data())
def test_what_the_model_allows_is_accepted_and_each_breach_refused(
    service: str, name: str, data: st.DataObject
) -> None:
    operation = SERVICES[service].operation(name)
    params: dict[str, Any] = data.draw(values(operation.input_shape)) if operation.input_shape else {}

    assert validate(operation, params).keys() == params.keys()
    for path, broken in breaches(operation.input_shape, params) if operation.input_shape else ():
        with pytest.raises(ServiceError) as refusal:
            validate(operation, broken)
        assert refusal.value.code in ("ValidationException", "SerializationException")
        assert f"'{path}'" in refusal.value.message or path == ""


def test_the_three_services_have_all_their_operations(services: Services) -> None:
    assert len(services["rekognition"].operations) >= 75
    assert len(services["stepfunctions"].operations) >= 37
    assert len(services["customlabels"].operations) >= 1
