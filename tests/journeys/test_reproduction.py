"""Training a version again: the same bits, or where it differs."""

import json

from tests.journeys.conftest import Deployed
from tests.journeys.stage import until


def test_a_version_trained_again_is_identical_or_told_where_it_differs(deployed: Deployed) -> None:
    home, (_, _, _, version, _) = deployed.home, deployed.version.split("/")
    cards = {file: json.loads(file.read_text()) for file in (home.path / "models").glob("*/model.json")}
    [card] = [file for file, told in cards.items() if told["card"]["version"] == version]

    again = home.typed("reproduce", f"colours/{version}")
    before = card.read_text()
    cards[card]["card"]["plan"]["steps"] += 1
    card.write_text(json.dumps(cards[card]))
    try:
        other = home.typed("reproduce", deployed.version, "--json")
    finally:
        card.write_text(before)

    assert (again.code, again.out) == (0, "identical\n"), again.err
    assert other.code == 1
    answer = json.loads(other.out)
    assert answer["Identical"] is False
    assert any(line.startswith("weights.safetensors: ") for line in answer["Differences"])
    assert until(lambda: not list((home.path / "work").glob("*/output")))


def test_what_was_never_trained_cannot_be_trained_again(deployed: Deployed) -> None:
    nothing = deployed.home.typed("reproduce", "colours/v-of-another-day")

    assert nothing.code == 2
    assert "no trained version" in nothing.err
