"""Datasets: labelled images by their manifest lines; read, checked, staged, copied and counted.

What reads and writes records is loaded when it is asked for: they bring the libraries of databases along.
"""

from typing import TYPE_CHECKING

from customlabels.doors import later

if TYPE_CHECKING:
    from customlabels.datasets.attributes import Box, LineError, line_error
    from customlabels.datasets.building import new_folder
    from customlabels.datasets.checking import check
    from customlabels.datasets.copies import near_duplicates
    from customlabels.datasets.distributing import chosen_for_test
    from customlabels.datasets.dividing import compared, divided_by_label
    from customlabels.datasets.exporting import Images, export, images_of, write_parts
    from customlabels.datasets.findings import RULES, Findings, Problem
    from customlabels.datasets.items import Item, item_lines
    from customlabels.datasets.listing import (
        Filters,
        LabelCount,
        dropped_of,
        every_line,
        labels_by_position,
        labels_of,
        rows_of,
        stats_of,
    )
    from customlabels.datasets.manifests import (
        Dropped,
        Entry,
        ManifestFileError,
        ManifestLimits,
        file_lines,
        listed_line,
        read_line,
        read_manifest,
        split_ref,
        validated_line,
    )
    from customlabels.datasets.revisions import (
        MOST_NOTED,
        Stats,
        changed,
        divided,
        note_dropped,
        ready,
        stage,
    )
    from customlabels.datasets.searching import Refs, in_all, packed
    from customlabels.datasets.sources import Source, bucket_name, open_source, read_folder
else:
    __getattr__ = later(__name__)

__all__ = [
    "MOST_NOTED",
    "RULES",
    "Box",
    "Dropped",
    "Entry",
    "Filters",
    "Findings",
    "Images",
    "Item",
    "LabelCount",
    "LineError",
    "ManifestFileError",
    "ManifestLimits",
    "Problem",
    "Refs",
    "Source",
    "Stats",
    "bucket_name",
    "changed",
    "check",
    "chosen_for_test",
    "compared",
    "divided",
    "divided_by_label",
    "dropped_of",
    "every_line",
    "export",
    "file_lines",
    "images_of",
    "in_all",
    "item_lines",
    "labels_by_position",
    "labels_of",
    "line_error",
    "listed_line",
    "near_duplicates",
    "new_folder",
    "note_dropped",
    "open_source",
    "packed",
    "read_folder",
    "read_line",
    "read_manifest",
    "ready",
    "rows_of",
    "split_ref",
    "stage",
    "stats_of",
    "validated_line",
    "write_parts",
]
