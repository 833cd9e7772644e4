"""The documents of a version in its output bucket: their names, and what DescribeProjectVersions tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def document_key(output: Mapping[str, str], kind: str, project: str, version: str) -> str:
    """`<prefix>/<Kind>-<project>-<version>.json`; no slash without a prefix. output: an OutputConfig"""
    prefix, name = output.get("S3KeyPrefix", "").rstrip("/"), f"{kind}-{project}-{version}.json"
    return f"{prefix}/{name}" if prefix else name


def described_results(details: Mapping[str, Any], bucket: str, keys: Mapping[str, str]) -> dict[str, Any]:
    """Where the documents of a training are. details: its request's     keys: by kind"""

    def place(kind: str) -> dict[str, Any]:
        return {"S3Object": {"Bucket": bucket, "Name": keys[kind]}}

    def assets(kind: str) -> list[dict[str, Any]]:
        return [{"GroundTruthManifest": place(kind)}] if kind in keys else []

    results: dict[str, Any] = {}
    for side, member, none_given in (
        ("Training", "TrainingData", {}),
        ("Testing", "TestingData", {"AutoCreate": False}),
    ):
        result: dict[str, Any] = {"Input": details.get(member, none_given)}
        if output := assets(f"{side}GroundTruth"):
            result["Output"] = {"Assets": output}
            if side == "Testing":
                result["Output"]["AutoCreate"] = bool(details.get(member, {}).get("AutoCreate"))
        if validation := assets(f"{side}ManifestWithValidation"):
            result["Validation"] = {"Assets": validation}
        results[f"{side}DataResult"] = result
    if "ManifestSummary" in keys:
        results["ManifestSummary"] = place("ManifestSummary")
    return results
