"""The run folder: what a training run leaves behind, its checkpoints, and its report."""
