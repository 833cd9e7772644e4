"""SAM's own transform, in process, the definitions taken into the template; in the tools' environment.

    python transform.py FOLDER...     each with template.yaml; writes FOLDER/cfn.json

Prints {folder: [what was wrong]} as JSON. The function's code is named by a placeholder, which `moto_stack`
fills.
"""

import json
import sys
from pathlib import Path

import boto3
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse


def transform(folder: Path) -> list[str]:
    """Write a folder's cfn.json; what was wrong."""
    try:
        template = yaml_parse((folder / "template.yaml").read_text("utf-8"))
        for resource in template["Resources"].values():
            properties = resource.get("Properties", {})
            if resource["Type"] == "AWS::Serverless::StateMachine" and "DefinitionUri" in properties:
                definition = folder / properties.pop("DefinitionUri")
                properties["Definition"] = yaml_parse(definition.read_text("utf-8"))
            if resource["Type"] == "AWS::Serverless::Function":
                properties["CodeUri"] = "s3://code/judge.zip"
        session = boto3.Session(region_name="eu-west-1")
        made = Translator({}, Parser(), boto_session=session).translate(template, {})
    except InvalidDocumentException as error:
        return [cause.message for cause in error.causes] or [error.message]
    except (OSError, KeyError, ValueError) as error:
        return [f"{type(error).__name__}: {error}"]
    (folder / "cfn.json").write_text(json.dumps(made, indent=1), encoding="utf-8")
    return []


if __name__ == "__main__":
    print(json.dumps({name: transform(Path(name)) for name in sys.argv[1:]}))
