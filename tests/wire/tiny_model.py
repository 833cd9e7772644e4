"""A model of a third service with every kind of shape that the two others lack."""

import json
from pathlib import Path
from typing import Any

STRING = {"shape": "Text"}

SHAPES: dict[str, Any] = {
    "Text": {"type": "string"},
    "Secret": {"type": "string", "min": 3, "sensitive": True},
    "Word": {"type": "string", "min": 2, "max": 5, "pattern": "[a-z]+"},
    "Colour": {"type": "string", "enum": ["RED", "GREEN"]},
    "Share": {"type": "float", "min": 0, "max": 1},
    "Few": {"type": "integer", "min": 1, "max": 3},
    "Many": {"type": "long"},
    "Yes": {"type": "boolean"},
    "Moment": {"type": "timestamp"},
    "Data": {"type": "blob", "min": 1, "max": 4},
    "Anything": {"type": "structure", "members": {}, "document": True},
    "Words": {"type": "list", "member": {"shape": "Word"}, "min": 1, "max": 2},
    "Labels": {
        "type": "map",
        "key": {"shape": "Word"},
        "value": {"shape": "Few"},
        "min": 1,
        "max": 2,
    },
    "Choice": {"type": "structure", "members": {"Left": STRING, "Right": STRING}, "union": True},
    "Tree": {"type": "structure", "members": {"Name": STRING, "Child": {"shape": "Tree"}}},
    "Everything": {
        "type": "structure",
        "required": ["Word"],
        "members": {
            "Word": {"shape": "Word"},
            "Colour": {"shape": "Colour"},
            "Secret": {"shape": "Secret"},
            "Share": {"shape": "Share"},
            "Few": {"shape": "Few"},
            "Many": {"shape": "Many"},
            "Yes": {"shape": "Yes"},
            "Moment": {"shape": "Moment"},
            "Data": {"shape": "Data"},
            "Words": {"shape": "Words"},
            "Labels": {"shape": "Labels"},
            "Choice": {"shape": "Choice"},
            "Tree": {"shape": "Tree"},
            "Anything": {"shape": "Anything"},
        },
    },
    "Gone": {"type": "structure", "members": {}, "exception": True, "error": {"httpStatusCode": 410}},
    "InternalServerError": {"type": "structure", "members": {}, "exception": True, "fault": True},
}

MODEL: dict[str, Any] = {
    "version": "2.0",
    "metadata": {
        "apiVersion": "2026-11-23",
        "endpointPrefix": "customlabels",
        "jsonVersion": "1.1",
        "protocol": "json",
        "protocols": ["json"],
        "serviceFullName": "Tiny",
        "serviceId": "CustomLabels",
        "signatureVersion": "v4",
        "targetPrefix": "CustomLabelsService",
        "uid": "customlabels-2026-11-23",
    },
    "operations": {
        "Echo": {
            "name": "Echo",
            "http": {"method": "POST", "requestUri": "/"},
            "input": {"shape": "Everything"},
            "output": {"shape": "Everything"},
            "errors": [{"shape": "Gone"}, {"shape": "InternalServerError"}],
        },
        "Ping": {"name": "Ping", "http": {"method": "POST", "requestUri": "/"}},
    },
    "shapes": SHAPES,
}


def write_tiny_model(folder: Path) -> Path:
    """Write the model in botocore's layout; returns `folder`."""
    place = folder / "customlabels" / "2026-11-23"
    place.mkdir(parents=True)
    (place / "service-2.json").write_text(json.dumps(MODEL))
    return folder
