"""How many units a version should have: a table of moments, without processes or clocks."""

import pytest

from customlabels.serving import Terms
from customlabels.serving.traffic import Traffic, wanted_units

CORES = 8


def followed(terms: Terms, moments: list[tuple[float, int]], units: int = 1, cores: int = CORES) -> int:
    """The units after moments of (time in seconds, requests in flight)."""
    traffic = Traffic(asked_at=moments[0][0])
    for now, in_flight in moments:
        if in_flight:
            traffic.asked_at = now
        units = wanted_units(traffic, terms, now, units, in_flight, cores)
    return units


@pytest.mark.parametrize(
    ("terms", "in_flight", "seconds", "units"),
    [
        (Terms(1, 3), 3, 9, 1),  # not yet ten seconds
        (Terms(1, 3), 3, 10, 2),
        (Terms(1, 3), 2, 100, 1),  # two in flight are what one unit is for
        (Terms(1, 3), 9, 60, 3),  # never above the most
        (Terms(1), 9, 60, 1),  # without a most there is no scaling, as on AWS
        (Terms(2), 0, 999, 2),
    ],
)
def test_units_are_added_where_more_than_two_wait_for_each_for_ten_seconds(
    terms: Terms, in_flight: int, seconds: int, units: int
) -> None:
    moments = [(1.0 + at, in_flight) for at in range(seconds + 1)]

    assert followed(terms, moments, terms.units) == units


def test_a_quiet_second_starts_the_ten_seconds_anew() -> None:
    moments = [(float(at), 0 if at % 8 == 0 else 5) for at in range(1, 60)]

    assert followed(Terms(1, 3), moments) == 1


def test_more_units_than_cores_are_never_added() -> None:
    moments = [(float(at), 99) for at in range(1, 100)]

    assert followed(Terms(1, 5), moments, cores=2) == 2


def test_added_units_go_one_by_one_when_there_is_nothing_to_do() -> None:
    def after(seconds: int) -> int:
        return followed(Terms(1, 3), [(float(at), 0) for at in range(1, seconds + 2)], units=3)

    assert [after(299), after(300), after(601), after(2000)] == [3, 2, 1, 1]


def test_a_version_that_may_sleep_has_no_units_while_nobody_asks_and_all_again_at_once() -> None:
    terms = Terms(2, idle_seconds=60, wake=True)

    assert followed(terms, [(1.0, 1), (60.0, 0)], units=2) == 2
    assert followed(terms, [(1.0, 1), (61.0, 0)], units=2) == 0
    assert followed(terms, [(1.0, 1), (61.0, 0), (99.0, 1)], units=2) == 2


@pytest.mark.parametrize(("units", "max_units"), [(0, None), (2, 1)])
def test_a_number_of_units_that_makes_no_sense_is_refused(units: int, max_units: int | None) -> None:
    with pytest.raises(ValueError, match="units at least 1"):
        Terms(units, max_units)
