"""The networks, our own and those of timm and segmentation_models_pytorch."""
