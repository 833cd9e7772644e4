"""ExportProjectVersion: a model as files that run without this server, put beside the version's documents."""

from __future__ import annotations

from customlabels import inference
from customlabels.operations.comparing import output_place
from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.hosting import HostingError, model_folder
from customlabels.operations.refusals import in_use, invalid_parameter
from customlabels.operations.rows import version_row


@operation("customlabels", "ExportProjectVersion")
def export_project_version(call: Call) -> Response:
    """Write the files as objects and name them; who asks compares them with the service before use.

    A power cut leaves some of the files; asked again, all of them are written again.
    """
    with call.parts.records.read() as reading:
        row = version_row(reading, call)
    try:
        files = inference.exported_files(model_folder(call.parts, row))
    except HostingError as error:
        raise in_use(str(error)) from error
    except inference.ArtefactError as error:
        raise invalid_parameter(str(error)) from error
    bucket, prefix = output_place(row)
    keys = {name: f"{prefix}/export/{name}".lstrip("/") for name in files}
    for name, content in files.items():
        call.parts.objects.write(bucket, keys[name], content)
    return {"Files": [{"Bucket": bucket, "Name": key} for key in keys.values()]}
