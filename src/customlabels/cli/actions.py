"""What commands do: loaded when one runs, so that `customlabels --help` answers at once."""

from typing import TYPE_CHECKING

from customlabels.doors import later

if TYPE_CHECKING:
    from customlabels.app import serve_home
    from customlabels.cli.approving import answer_run
    from customlabels.cli.buckets import add_bucket, list_buckets, remove_bucket
    from customlabels.cli.checking import check_sources
    from customlabels.cli.data import write_sample
    from customlabels.cli.dataset_files import compare, divide, import_source, write_as
    from customlabels.cli.deleting import delete_project
    from customlabels.cli.executions import (
        describe_execution,
        redrive_execution,
        show_history,
        start_execution,
        stop_execution,
        verify_execution,
    )
    from customlabels.cli.ledger import override_run, roll_back, show_ledger
    from customlabels.cli.looking import detect_images, reproduce_version, show_status
    from customlabels.cli.planning import plan_run
    from customlabels.cli.reporting import show_report
    from customlabels.cli.running import RunRequest, follow_run, redrive_run, run_elsewhere, run_pipeline
    from customlabels.cli.serving import export_model, promote_model, shadow_model, start_model
    from customlabels.cli.stopping import stop_target, take_down
else:
    __getattr__ = later(__name__)

__all__ = [
    "RunRequest",
    "add_bucket",
    "answer_run",
    "check_sources",
    "compare",
    "delete_project",
    "describe_execution",
    "detect_images",
    "divide",
    "export_model",
    "follow_run",
    "import_source",
    "list_buckets",
    "override_run",
    "plan_run",
    "promote_model",
    "redrive_execution",
    "redrive_run",
    "remove_bucket",
    "reproduce_version",
    "roll_back",
    "run_elsewhere",
    "run_pipeline",
    "serve_home",
    "shadow_model",
    "show_history",
    "show_ledger",
    "show_report",
    "show_status",
    "start_execution",
    "start_model",
    "stop_execution",
    "stop_target",
    "take_down",
    "verify_execution",
    "write_as",
    "write_sample",
]
