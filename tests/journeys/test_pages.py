"""The console beside the API: pages of what is there, for this machine's own names only."""

import http.client
import re
from urllib.parse import quote, urlsplit

from tests.journeys.conftest import Deployed


def page(deployed: Deployed, path: str, host: str = "") -> tuple[int, dict[str, str], str]:
    """Status, headers and text of a page."""
    place = urlsplit(deployed.home.server.url)
    connection = http.client.HTTPConnection(place.netloc, timeout=20)
    connection.request("GET", path, headers={"Host": host or place.netloc})
    answer = connection.getresponse()
    content = answer.read().decode()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, content


def first_run(deployed: Deployed) -> str:
    """The name of the first run, which its version carries."""
    return deployed.version.split("/")[3].removeprefix("v-")


def test_the_start_page_lists_the_run_and_the_model_in_service(answering: Deployed) -> None:
    status, headers, content = page(answering, "/")

    assert status == 200
    assert f">{first_run(answering)}</a>" in content
    assert answering.version.split(":", 5)[5] in content
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_a_run_s_page_draws_its_states_and_lists_its_events(deployed: Deployed) -> None:
    _status, _headers, start = page(deployed, "/")
    [link] = [
        link for link in re.findall(r'href="(/runs/[^"]+)"', start) if link.endswith(first_run(deployed))
    ]

    status, headers, content = page(deployed, link)

    assert status == 200
    assert f"<title>{first_run(deployed)} SUCCEEDED</title>" in content
    assert "<svg" in content
    assert "F1 above threshold?" in content
    assert "ExecutionSucceeded" in content
    assert "http-equiv" not in content
    assert "default-src 'none'" in headers["content-security-policy"]


def test_an_unknown_run_is_a_page_that_says_so(deployed: Deployed) -> None:
    for arn in ("arn:aws:states:us-east-1:123456789012:execution:customlabels-pipeline:gone", "nonsense"):
        status, headers, content = page(deployed, f"/runs/{quote(arn)}")

        assert status == 404
        assert arn in content
        assert "default-src 'none'" in headers["content-security-policy"]


def test_other_sites_cannot_borrow_the_pages(deployed: Deployed) -> None:
    status, _headers, content = page(deployed, "/", host="evil.example")

    assert status == 400
    assert first_run(deployed) not in content


def test_the_style_sheet_is_served_and_nothing_beside_it(deployed: Deployed) -> None:
    status, headers, _content = page(deployed, "/static/console.css")

    assert (status, headers["content-type"].split(";")[0]) == (200, "text/css")
    assert page(deployed, "/static/../pages.py")[0] == 404
    assert page(deployed, "/static/%2e%2e/pages.py")[0] == 404
