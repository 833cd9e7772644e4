"""The console beside the API: who sees its pages, and which requests may change something."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from tests.journeys.conftest import Deployed
from tests.journeys.stage import Home, home_in, lines_until

NAME, SECRET = "AKIDOPERATOR", "first secret"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@pytest.fixture(scope="module")
def site(deployed: Deployed) -> Iterator[httpx.Client]:
    """A browser without scripts."""
    with httpx.Client(base_url=deployed.home.server.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with an access key, served to the whole network."""
    with home_in(tmp_path_factory.mktemp("login")) as home:
        home.path.mkdir()
        keys = {NAME: {"secret": SECRET, "account": "111122223333"}}
        (home.path / "access-keys.json").write_text(json.dumps(keys))
        server = home.started("serve", "--host", "0.0.0.0")
        lines_until(server, "customlabels serves http")
        yield home
        server.terminate()
        server.communicate(timeout=30)


def first_run(deployed: Deployed) -> str:
    """The name of the first run, which its version carries."""
    return deployed.version.split("/")[3].removeprefix("v-")


def csrf_of(answer: httpx.Response) -> str:
    found = re.search(r'name="csrf" content="([0-9a-f]+)"', answer.text)
    assert found, answer.text
    return found[1]


def test_the_start_page_lists_the_run_and_the_model_with_its_verdict(
    answering: Deployed, site: httpx.Client
) -> None:
    answer = site.get("/")

    assert answer.status_code == 200
    assert f">{first_run(answering)}</a>" in answer.text
    assert quote(answering.version, safe=":/") in answer.text
    assert re.search(
        r"deployed.*F1 \d\.\d{4}.*\(\d\.\d{3} to \d\.\d{3}\).*&gt; 0\.85", answer.text, re.DOTALL
    )


@pytest.mark.parametrize("path", ["/", "/login", "/nothing", "/static/console.css", "/static/run.js"])
def test_every_answer_forbids_scripts_and_styles_that_are_not_files_of_ours(
    site: httpx.Client, path: str
) -> None:
    answer = site.get(path)

    assert answer.headers["content-security-policy"] == CSP
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<script(?![^>]*src=)|<style| style=| on[a-z]+=\"", answer.text)


def test_a_run_s_page_draws_its_states_and_lists_its_events(deployed: Deployed, site: httpx.Client) -> None:
    [link] = [
        link
        for link in re.findall(r'href="(/runs/[^"]+)"', site.get("/").text)
        if link.endswith(first_run(deployed))
    ]

    answer = site.get(link)

    assert answer.status_code == 200
    assert "F1 above threshold?" in answer.text
    assert "ExecutionSucceeded" in answer.text
    assert not re.search(r"<style| style=", answer.text)


def test_an_unknown_run_is_a_page_that_says_so(site: httpx.Client) -> None:
    for arn in ("arn:aws:states:us-east-1:123456789012:execution:customlabels-pipeline:<b>gone", "nonsense"):
        answer = site.get(f"/runs/{quote(arn)}")

        assert (answer.status_code, "<b>" in answer.text) == (404, False)
        assert arn.replace("<", "&lt;").replace(">", "&gt;") in answer.text


def test_other_sites_cannot_borrow_the_pages(deployed: Deployed, site: httpx.Client) -> None:
    answer = site.get("/", headers={"Host": "evil.example"})

    assert answer.status_code == 400
    assert first_run(deployed) not in answer.text


def test_nothing_beside_the_static_files_is_served(site: httpx.Client) -> None:
    assert site.get("/static/../pages.py").status_code == 404
    assert site.get("/static/%2e%2e/pages.py").status_code == 404


@pytest.mark.parametrize("missing", ["token", "origin", "session"])
def test_a_write_needs_its_session_its_token_and_its_origin(
    answering: Deployed, site: httpx.Client, missing: str
) -> None:
    token = csrf_of(site.get("/"))
    form = {"do": "stop", "model": answering.version, "csrf": "0" * 64 if missing == "token" else token}
    headers = {"Origin": "http://evil.example" if missing == "origin" else str(site.base_url).rstrip("/")}
    cookies = {} if missing == "session" else dict(site.cookies)

    answer = httpx.post(site.base_url.join("/models"), data=form, headers=headers, cookies=cookies)

    assert answer.status_code == 403
    rekognition = answering.home.client("rekognition")
    project = answering.version.partition("/version/")[0]
    described = rekognition.describe_projects(ProjectNames=[project.rpartition("/")[2]])
    arn = described["ProjectDescriptions"][0]["ProjectArn"]
    versions = rekognition.describe_project_versions(ProjectArn=arn)["ProjectVersionDescriptions"]
    assert {"RUNNING"} <= {version["Status"] for version in versions}


def test_off_this_machine_somebody_logs_in_first(keyed: Home) -> None:
    page = {"Accept": "text/html"}
    with httpx.Client(base_url=keyed.server.url, follow_redirects=True, headers=page) as client:
        origin = {"Origin": str(client.base_url).rstrip("/")}
        sent_away = client.get("/datasets")
        wrong = client.post("/login", data={"access_key": NAME, "secret": "guessed"}, headers=origin)
        still_out = client.get("/images/some-bucket/a.png", headers={"Accept": "image/*"})
        given = {"access_key": NAME, "secret": SECRET, "next": "//evil.example/"}
        inside = client.post("/login", data=given, headers=origin)
        cookie = inside.history[0].headers["set-cookie"]
        out = client.post("/logout", data={"csrf": csrf_of(inside)}, headers=origin)
        after = client.get("/")

    assert sent_away.url.path == "/login"
    assert sent_away.url.params["next"] == "/datasets"
    assert "no such access key" in wrong.text
    assert still_out.status_code == 403
    assert (inside.url.path, inside.url.host) == ("/", "127.0.0.1")
    assert "HttpOnly; SameSite=Strict" in cookie
    assert [answer.url.path for answer in (out, after)] == ["/login", "/login"]


def test_a_session_of_another_server_opens_nothing(keyed: Home, site: httpx.Client) -> None:
    """The cookie of a server without keys, whose name differs only by the port."""
    site.get("/")
    [(_, value)] = site.cookies.items()
    port = httpx.URL(keyed.server.url).port

    headers = {"Cookie": f"session-{port}={value}", "Accept": "text/html"}
    answer = httpx.get(f"{keyed.server.url}/", headers=headers)

    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/")


def test_all_script_together_is_small() -> None:
    files = list((Path(__file__).parents[2] / "src/customlabels/console/static").glob("*.js"))

    assert sum(file.stat().st_size for file in files) <= 40_000
    assert files


def test_a_run_s_report_has_its_looks_and_no_script_under_a_policy_of_digests(
    deployed: Deployed, site: httpx.Client
) -> None:
    place = "arn:aws:states:us-east-1:123456789012:execution:customlabels-pipeline:"

    answer = site.get(f"/report/{place}{first_run(deployed)}")
    absent = site.get(f"/report/{place}gone")

    policy = answer.headers["content-security-policy"]
    assert answer.status_code == 200
    assert re.fullmatch(
        r"default-src 'none'; style-src( 'sha256-[\w+/=]+')+; img-src data:; frame-ancestors 'self'; sandbox",
        policy,
    )
    assert deployed.version.split("/")[3] in answer.text
    assert not re.search(r"<script| style=", answer.text)
    assert absent.status_code == 404
