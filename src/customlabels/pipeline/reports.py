"""The report of a run, or of a version: the one way to it for the API, the command line and the console."""

from __future__ import annotations

import json

from customlabels.pipeline.judge_objects import Reader
from customlabels.pipeline.report_evidence import gathered
from customlabels.pipeline.report_facts import facts
from customlabels.pipeline.report_pages import page
from customlabels.pipeline.report_places import Place


def report_text(place: Place, reader: Reader, *, as_json: bool = False) -> str:
    """The HTML page, or the same as a JSON document. Raises InvalidInput where there is nothing to report."""
    told = facts(gathered(place, reader))
    return json.dumps(told, indent=1, ensure_ascii=False) if as_json else page(told, reader)
