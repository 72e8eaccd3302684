"""What a training job's model needs of its GPUs, from sizes alone: no data, nothing heavy."""
