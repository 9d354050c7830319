"""What predictions are worth: metrics, thresholds, and how far chance alone could have moved them."""
