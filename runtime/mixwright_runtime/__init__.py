"""From a plan to rows, a mixture and a trained model."""
