"""From a full grid of scores to what may be said of the losses in it."""
