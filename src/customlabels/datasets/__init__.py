"""Datasets: labelled images by their manifest lines; read, checked, staged, copied and counted."""

from customlabels.datasets.attributes import Box, LineError, line_error
from customlabels.datasets.checking import check
from customlabels.datasets.findings import Findings, Problem
from customlabels.datasets.manifests import (
    Dropped,
    Entry,
    ManifestFileError,
    ManifestLimits,
    dropped_error,
    listed_line,
    read_line,
    read_manifest,
    split_ref,
    validated_line,
)
from customlabels.datasets.revisions import (
    Filters,
    LabelCount,
    Stats,
    changed,
    entries_of,
    every_entry,
    labels_of,
    ready,
    stage,
    stats_of,
)
from customlabels.datasets.sources import Source, bucket_name, open_source, read_folder

__all__ = [
    "Box",
    "Dropped",
    "Entry",
    "Filters",
    "Findings",
    "LabelCount",
    "LineError",
    "ManifestFileError",
    "ManifestLimits",
    "Problem",
    "Source",
    "Stats",
    "bucket_name",
    "changed",
    "check",
    "dropped_error",
    "entries_of",
    "every_entry",
    "labels_of",
    "line_error",
    "listed_line",
    "open_source",
    "read_folder",
    "read_line",
    "read_manifest",
    "ready",
    "split_ref",
    "stage",
    "stats_of",
    "validated_line",
]
