"""The statuses of versions and datasets: their texts, and which of them allow what."""

# Clients read StatusMessage in every status without asking whether it is there.
MESSAGES = {
    "TRAINING_IN_PROGRESS": "The model is being trained.",
    "TRAINING_COMPLETED": "The model is ready to run.",
    "COPYING_IN_PROGRESS": "The model is being copied.",
    "COPYING_COMPLETED": "The model is ready to run.",
    "STARTING": "The model is starting.",
    "RUNNING": "The model is running.",
    "STOPPING": "The model is stopping.",
    "STOPPED": "The model is ready to run.",
    "CREATE_IN_PROGRESS": "The dataset is being created.",
    "UPDATE_IN_PROGRESS": "The dataset is being updated.",
    "UPDATE_COMPLETE": "The dataset was successfully updated.",
}
# Versions
STARTABLE = ("TRAINING_COMPLETED", "STOPPED", "FAILED", "COPYING_COMPLETED")
PASSING = ("TRAINING_IN_PROGRESS", "STARTING", "RUNNING", "STOPPING", "COPYING_IN_PROGRESS")
# Datasets
USABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_FAILED")  # their content is in place
BUSY = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS")
