"""The training losses, of classes, masks and presence."""
