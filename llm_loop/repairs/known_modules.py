"""Well-known modules of image research and the packages that hold them.

Each line was looked up by a person: the package is the one that the project itself names in its own documentation.
A module that is not here is not known, however plain its name looks: a package of the same name may be anybody's.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_SAME_NAME = (
    "accelerate albumentations av coloredlogs datasets diffusers einops fsspec fvcore h5py imageio imagecodecs imgaug"
    " joblib jsonschema kornia lightning lmdb matplotlib monai natsort networkx nibabel numba numpy omegaconf openpyxl"
    " optuna packaging pandas peft plotly polars psutil pyarrow pycocotools pydantic pydicom rasterio requests rich"
    " safetensors scipy seaborn shapely statsmodels sympy tabulate tensorboard tensorboardX termcolor tifffile timm"
    " torchinfo torchio torchmetrics torchsummary tqdm transformers typer typing_extensions xgboost yacs zarr"
)
_OTHER_NAME = {
    "PIL": "pillow",
    "SimpleITK": "simpleitk",
    "attr": "attrs",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "efficientnet_pytorch": "efficientnet-pytorch",
    "huggingface_hub": "huggingface-hub",
    "hydra": "hydra-core",
    "iterstrat": "iterative-stratification",
    "nrrd": "pynrrd",
    "pretrainedmodels": "pretrainedmodels",
    "pytorch_lightning": "pytorch-lightning",
    "ruamel": "ruamel-yaml",
    "segmentation_models_pytorch": "segmentation-models-pytorch",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "tensorboardX": "tensorboardx",
    "typing_extensions": "typing-extensions",
    "umap": "umap-learn",
    "yaml": "pyyaml",
}

KNOWN_MODULES: Mapping[str, str] = MappingProxyType({name: name.lower() for name in _SAME_NAME.split()} | _OTHER_NAME)
"""Import root, as it is written in code, to the package's normal name (PEP 503)."""

OTHER_BUILDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "opencv-python": ("opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"),
        "pillow": ("pillow-simd",),
    }
)
"""Packages that hold the same modules as another; two of them in one environment break each other."""
