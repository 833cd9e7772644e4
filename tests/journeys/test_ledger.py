"""What is in service, changed by hand: a verdict overridden, a rollback, and the record of both."""

from tests.journeys.conftest import Deployed
from tests.journeys.stage import Finished


def test_a_rejected_version_is_put_into_service_by_hand_and_rolled_back(
    answering: Deployed, rejected: Finished
) -> None:
    home, image = answering.home, answering.test / "red" / "00.png"
    run, version = rejected.json["Name"], rejected.json["ProjectVersionArn"]
    unexplained = home.typed("approve", run)
    wrong = home.typed("approve", run, "--reason", "for the fair")

    approved = home.typed("approve", run, "--override", "--reason", "for the fair")

    assert (unexplained.code, wrong.code) == (2, 2)
    assert "--override --reason" in wrong.err
    assert approved.code == 0, approved.err
    assert f"in service  {version}" in approved.out
    assert f"stopped     {answering.version}" in approved.out
    assert home.typed("detect", "colours", image, "--json").json["ProjectVersionArn"] == version
    told = home.typed("history", "colours", "--json").json
    entry = next(each for each in told["Entries"] if each["Action"] == "SERVING")
    assert entry["ProjectVersionArn"] == version
    assert (entry["Reason"], entry["ExecutionArn"]) == (
        "REJECTED overridden: for the fair",
        rejected.json["ExecutionArn"],
    )
    assert told["Intact"] is True

    back = home.typed("rollback", "colours", "--reason", "the fair is over")

    assert back.code == 0, back.err
    assert home.typed("detect", "colours", image, "--json").json["ProjectVersionArn"] == answering.version
    shown = home.typed("history", "colours")
    assert shown.code == 0
    assert "the fair is over" in shown.out
    assert "for the fair" in shown.out
    before = home.typed("history", "colours", "--at", "2001-01-01", "--json")
    assert before.json["Entries"] == before.json["Serving"] == []
    digest = told["Entries"][0]["Digest"]
    assert home.typed("history", "colours", "--holds", digest).code == 0
    lost = home.typed("history", "colours", "--holds", "0" * 64)
    assert (lost.code, "no entry has the digest" in lost.err) == (1, True)
    nothing = home.typed("history", "nobodys")
    assert (nothing.code, "ever in service" in nothing.err) == (2, True)
