"""Scripts that fail in the ways that trainings do; ``make_corpus.py`` runs them."""

from __future__ import annotations

GUARD = """
from llm_loop.trainer.torchvision_guard import ensure_torchvision
ensure_torchvision()
"""
NET = """
import torch
from torch import nn
net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 6 * 6, 10))
"""
SOURCE = """
class Source(torch.utils.data.Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, n):
        return item(n)

def load(**options):
    for batch in torch.utils.data.DataLoader(Source(), batch_size=4, **options):
        print(len(batch))
"""
LIMIT = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (8 * 1024**3, 8 * 1024**3))
"""

SCRIPTS: dict[str, str] = {
    # a module that is not there, or not the right one
    "missing_module": "import torch\nimport einops\n",
    "missing_submodule": "import sklearn.not_there\n",
    "missing_module_chained": """
try:
    import cv2
except ImportError:
    import albumentations
""",
    "missing_module_wrapped": """
def backbone():
    try:
        import efficientnet_pytorch
    except ImportError as error:
        raise RuntimeError("the backbone needs one more package") from error

backbone()
""",
    "missing_module_in_worker": """
import torch

def item(n):
    import kornia
    return torch.zeros(3)
"""
    + SOURCE
    + "load(num_workers=1)\n",
    "missing_module_not_a_package": "import bisect.nothing\n",
    "cannot_import_name": "import timm_names\n",
    "torchvision_without_operators": "import torchvision\n",
    "numpy_name_removed": "import numpy as np\nnp.float_(1.0)\n",
    "module_has_no_attribute": "import torch\ntorch.optim.Lion\n",
    "wrong_distribution": "import importlib.metadata\nimportlib.metadata.version('apex')\n",
    # a model that nobody knows
    "unknown_timm_model": GUARD + "import timm\ntimm.create_model('resnet19')\n",
    "unknown_timm_tag": GUARD + "import timm\ntimm.create_model('resnet18.not_a_tag', pretrained=True)\n",
    "unknown_smp_encoder": GUARD
    + "import segmentation_models_pytorch as smp\nsmp.Unet('resnet19', encoder_weights=None)\n",
    "unknown_smp_timm_encoder": GUARD
    + "import segmentation_models_pytorch as smp\nsmp.Unet('tu-resnet19', encoder_weights=None)\n",
    "unknown_smp_architecture": GUARD
    + "import segmentation_models_pytorch as smp\nsmp.create_model('unet4', encoder_weights=None)\n",
    "unknown_torchvision_model": GUARD + "import torchvision\ntorchvision.models.get_model('resnet19')\n",
    # devices
    "no_cuda": "import torch\ntorch.zeros(3).to('cuda')\n",
    "no_cuda_checkpoint": NET + "torch.save(net.state_dict(), 'a.pt')\ntorch.load('a.pt', map_location='cuda:0')\n",
    # memory of the machine
    "host_memory_numpy": LIMIT + "import numpy as np\nnp.zeros((100_000, 100_000))\n",
    "host_memory_torch": LIMIT + "import torch\ntorch.zeros(100_000, 100_000)\n",
    "host_memory_python": LIMIT + "x = bytearray(20 * 1024**3)\n",
    "worker_killed": """
import os, signal, torch

def item(n):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    + SOURCE
    + "load(num_workers=1)\n",
    # numbers
    "nan_backward": """
import torch
x = torch.tensor([-1.0], requires_grad=True)
with torch.autograd.detect_anomaly():
    torch.sqrt(x).sum().backward()
""",
    "nan_gradient_norm": NET
    + """
net(torch.full((2, 3, 8, 8), float("inf"))).sum().backward()
torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0, error_if_nonfinite=True)
""",
    "nan_in_metric": """
import numpy as np
from sklearn.metrics import log_loss
log_loss([0, 1], np.array([np.nan, 0.5]))
""",
    "nan_own_words": """
import math
loss = math.nan
if not math.isfinite(loss):
    raise ValueError(f"Loss is {loss}, stopping training")
""",
    # data
    "image_truncated": """
import io
from PIL import Image
stream = io.BytesIO()
Image.effect_noise((64, 64), 50).convert("RGB").save(stream, "jpeg")
open("a.jpg", "wb").write(stream.getvalue()[:900])
Image.open("a.jpg").load()
""",
    "image_broken_png": """
import io
from PIL import Image
stream = io.BytesIO()
Image.effect_noise((64, 64), 50).save(stream, "png")
data = bytearray(stream.getvalue())
data[60:400] = bytes(340)
open("a.png", "wb").write(data)
Image.open("a.png").load()
""",
    "image_unknown": "from PIL import Image\nopen('a.png', 'wb').write(b'no image')\nImage.open('a.png')\n",
    "image_in_worker": """
import torch
from PIL import Image

def item(n):
    open(f"{n}.png", "wb").write(b"no image")
    return Image.open(f"{n}.png")
"""
    + SOURCE
    + "load(num_workers=2)\n",
    "image_missing": "from PIL import Image\nImage.open('data/images/0001.png')\n",
    "image_folder_empty": GUARD
    + "import os, torchvision\nos.makedirs('data')\ntorchvision.datasets.ImageFolder('data')\n",
    "image_folder_class_empty": GUARD
    + "import os, torchvision\nos.makedirs('data/cat')\ntorchvision.datasets.ImageFolder('data')\n",
    "no_samples": "import torch\ntorch.utils.data.DataLoader([], shuffle=True)\n",
    "no_samples_to_split": """
from sklearn.model_selection import train_test_split
train_test_split([])
""",
    "archive_broken": "import numpy as np\nopen('a.npz', 'wb').write(b'PK\\x03\\x04no')\nnp.load('a.npz')\n",
    "zip_broken": "import zipfile\nopen('a.zip', 'wb').write(b'no')\nzipfile.ZipFile('a.zip')\n",
    # shapes
    "shape_channels": NET + "net(torch.zeros(2, 1, 8, 8))\n",
    "shape_linear": NET + "net(torch.zeros(2, 3, 16, 16))\n",
    "shape_add": "import torch\ntorch.zeros(2, 3) + torch.zeros(2, 4)\n",
    "shape_concatenate": "import torch\ntorch.cat([torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 7, 7)], 1)\n",
    "shape_stack_in_worker": """
import torch

def item(n):
    return torch.zeros(3, 8 + n, 8)
"""
    + SOURCE
    + "load(num_workers=1)\n",
    "shape_view": "import torch\ntorch.zeros(2, 3).view(4, 4)\n",
    "shape_target_size": "import torch\ntorch.nn.BCEWithLogitsLoss()(torch.zeros(2, 1), torch.zeros(2))\n",
    "shape_target_batch": """
import torch
torch.nn.CrossEntropyLoss()(torch.zeros(4, 10), torch.zeros(3, dtype=torch.long))
""",
    "shape_target_class": "import torch\ntorch.nn.CrossEntropyLoss()(torch.zeros(2, 10), torch.tensor([1, 10]))\n",
    "shape_kernel": "import torch\ntorch.nn.Conv2d(3, 8, 7)(torch.zeros(1, 3, 4, 4))\n",
    "shape_batch_norm": "import torch\ntorch.nn.BatchNorm1d(8)(torch.zeros(1, 8))\n",
    "shape_smp_divisible": GUARD
    + """
import segmentation_models_pytorch as smp, torch
smp.FPN("resnet18", encoder_weights=None)(torch.zeros(1, 3, 60, 60))
""",
    "shape_vit_size": GUARD
    + "import timm, torch\ntimm.create_model('vit_tiny_patch16_224')(torch.zeros(1, 3, 64, 64))\n",
    "shape_dimensions": "import torch\ntorch.nn.Conv2d(3, 8, 3)(torch.zeros(8, 8))\n",
    "shape_dtype": "import torch\ntorch.nn.Conv2d(3, 8, 3)(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))\n",
    "shape_numpy": "import numpy as np\nnp.stack([np.zeros((3, 8)), np.zeros((3, 9))])\n",
    "shape_numpy_broadcast": "import numpy as np\nnp.zeros((3, 8)) + np.zeros((3, 9))\n",
    # configs
    "yaml_indentation": "import yaml\nyaml.safe_load('a:\\n  b: 1\\n c: 2\\n')\n",
    "yaml_tab": "import yaml\nyaml.safe_load('a:\\n\\tb: 1\\n')\n",
    "yaml_tag": "import yaml\nyaml.safe_load('a: !!python/name:os.system\\n')\n",
    "yaml_anchor": "import yaml\nyaml.safe_load('a: *nobody\\n')\n",
    "config_missing": "import yaml\nyaml.safe_load(open('configs/big.yaml'))\n",
    "config_dataclass": """
from dataclasses import dataclass

@dataclass
class TrainConfig:
    learning_rate: float = 0.1

TrainConfig(**{"learning_rat": 0.2})
""",
    "config_schema": """
import jsonschema
schema = {"type": "object", "properties": {"lr": {"type": "number"}}, "additionalProperties": False}
jsonschema.validate({"lrate": 1}, schema)
""",
    "config_argument": """
import argparse
parser = argparse.ArgumentParser(prog="train.py")
parser.add_argument("--lr", type=float)
parser.parse_args(["--lr", "0.1", "--warmup", "5"])
""",
    "config_argument_value": """
import argparse
parser = argparse.ArgumentParser(prog="train.py")
parser.add_argument("--lr", type=float)
parser.parse_args(["--lr", "tiny"])
""",
    # checkpoints
    "checkpoint_keys": NET + "net.load_state_dict({'head.weight': torch.zeros(3)})\n",
    "checkpoint_sizes": NET
    + "net.load_state_dict({**net.state_dict(), '3.weight': torch.zeros(5, 288), '3.bias': torch.zeros(5)})\n",
    "checkpoint_truncated": NET
    + """
torch.save(net.state_dict(), "a.pt")
data = open("a.pt", "rb").read()
open("a.pt", "wb").write(data[: len(data) // 2])
torch.load("a.pt")
""",
    "checkpoint_pickle": NET + "torch.save(net, 'a.pt')\ntorch.load('a.pt')\n",
    "checkpoint_no_pickle": "import torch\nopen('a.pt', 'wb').write(b'<html>')\ntorch.load('a.pt')\n",
    "checkpoint_missing": "import torch\ntorch.load('runs/best/checkpoint_010.pth')\n",
    "checkpoint_optimizer": NET
    + """
optimizer = torch.optim.SGD(net.parameters(), 0.1)
optimizer.load_state_dict(torch.optim.SGD(list(net.parameters())[:2], 0.1).state_dict())
""",
    "checkpoint_safetensors": """
from safetensors.torch import load_file
open("a.safetensors", "wb").write(b"\\xff" * 64)
load_file("a.safetensors")
""",
    # pretrained weights, without a network
    "download_timm": GUARD + "import timm\ntimm.create_model('resnet10t', pretrained=True)\n",
    "download_smp": GUARD + "import segmentation_models_pytorch as smp\nsmp.Unet('resnet18')\n",
    "download_torch_hub": """
import torch
torch.hub.load_state_dict_from_url("http://weights.invalid/resnet.pth", model_dir="hub")
""",
    # files, ports, disk
    "lock_posix": """
import fcntl, os
one, two = open("a", "w"), open("a", "w")
fcntl.flock(one, fcntl.LOCK_EX)
fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
""",
    "lock_filelock": """
from filelock import FileLock
with FileLock("cache.lock"):
    FileLock("cache.lock", timeout=0.1).acquire()
""",
    "lock_sqlite": """
import sqlite3
one, two = sqlite3.connect("a.db"), sqlite3.connect("a.db", timeout=0.1)
one.execute("begin exclusive")
two.execute("create table t (a)")
""",
    "port_socket": """
import socket
one, two = socket.socket(), socket.socket()
one.bind(("127.0.0.1", 0))
one.listen()
two.bind(one.getsockname())
""",
    "port_torch": """
import socket, torch.distributed as dist
one = socket.socket()
one.bind(("", 0))
one.listen()
dist.TCPStore("localhost", one.getsockname()[1], 1, True)
""",
    "disk_full_python": "with open('/dev/full', 'w') as stream:\n    stream.write('x' * 100_000)\n",
    "disk_full_torch": NET + "torch.save(net.state_dict(), '/dev/full')\n",
    "permission": "import os\nif os.getuid() == 0:\n    os.setuid(65534)\nopen('/etc/shadow')\n",
    # code
    "syntax_of_script": "import torch\n\ndef train(:\n    pass\n",
    "syntax_of_module": "import torch\nfrom src import model\n",
    "syntax_tabs": "def f():\n    a = 1\n\tb = 2\n",
    "indentation": "def f():\nreturn 1\n",
    "name_error": "import torch\n\ndef train():\n    return modle\n\ntrain()\n",
    "circular_import": "import first\n",
    "import_of_own_name": "from src.model import Unet3\n",
    "own_type_error": "from src.model import build\nbuild()\n",
    # how it ends
    "killed": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
    "segmentation_fault": "import faulthandler, ctypes\nfaulthandler.enable()\nctypes.string_at(0)\n",
    "interrupt": """
import os, signal, time
os.kill(os.getpid(), signal.SIGINT)
time.sleep(5)
""",
    "own_exception": """
class BudgetError(Exception):
    pass

raise BudgetError("the schedule wants at least 3 epochs")
""",
    "ignored_at_exit": """
class Logger:
    def __del__(self):
        import not_there

import torch
logger = Logger()
torch.zeros(2, 3) @ torch.zeros(4, 5)
""",
    "logged_then_failed": """
import logging, torch
try:
    import wandb
except ImportError:
    logging.exception("no wandb, going on without")
torch.nn.CrossEntropyLoss()(torch.zeros(4, 10), torch.zeros(3, dtype=torch.long))
""",
    "exception_group": """
raise ExceptionGroup("two shards failed", [ModuleNotFoundError("No module named 'webdataset'", name="webdataset")])
""",
}

COMMANDS: dict[str, list[str]] = {
    "missing_module_of_run": ["PYTHON", "-m", "nnunet_fork", "--fold", "0"],
    "package_without_main": ["PYTHON", "-m", "sklearn"],
    "script_missing": ["PYTHON", "scripts/train.py"],
    "program_missing": ["bash", "-c", "accelerate-launch train.py"],
    "program_missing_in_shell": ["sh", "-c", "accelerate-launch train.py"],
    "killed_in_shell": ["bash", "-c", "bash -c 'kill -9 $$'; exit 137"],
    "trainer_unknown_model": ["PYTHON", "-m", "llm_loop.trainer", "--config", "a.yaml", "--output-dir", "out"],
    "trainer_unknown_timm_model": [
        *["PYTHON", "-m", "llm_loop.trainer", "--config", "a.yaml", "--output-dir", "out"],
        *["--set", "model.name=timm:resnet19", "--set", "data.image_size=32"],
    ],
    "trainer_diverges": [
        *["PYTHON", "-m", "llm_loop.trainer", "--config", "a.yaml", "--output-dir", "out"],
        *[
            "--set",
            "optimizer.learning_rate=1000000",
            "--set",
            "optimizer.weight_decay=1",
            "--set",
            "training.epochs=5",
            "--set",
            "model.norm=none",
        ],
    ],
    "trainer_unknown_key": [
        *["PYTHON", "-m", "llm_loop.trainer", "--config", "a.yaml", "--output-dir", "out"],
        *["--set", "optimizer.learning_rat=0.1"],
    ],
    "trainer_bad_value": [
        *["PYTHON", "-m", "llm_loop.trainer", "--config", "a.yaml", "--output-dir", "out"],
        *["--set", "training.epochs=many"],
    ],
    "trainer_bad_yaml": ["PYTHON", "-m", "llm_loop.trainer", "--config", "a.yaml", "--output-dir", "out"],
    "trainer_no_data": [
        *["PYTHON", "-m", "llm_loop.trainer", "--config", "a.yaml", "--output-dir", "out"],
        *["--set", "data.source=image_folder", "--set", "data.root=data/images"],
    ],
    "trainer_no_cuda": [
        *["PYTHON", "-m", "llm_loop.trainer", "--config", "a.yaml", "--output-dir", "out"],
        *["--set", "training.device=cuda"],
    ],
    "trainer_weights": [
        *["PYTHON", "-m", "llm_loop.trainer", "--config", "a.yaml", "--output-dir", "out"],
        *["--set", "model.name=timm:resnet10t", "--set", "model.pretrained=true", "--set", "data.image_size=32"],
    ],
}

FILES: dict[str, dict[str, str]] = {
    "cannot_import_name": {"timm_names.py": GUARD + "from timm.models import NotThere\n"},
    "syntax_of_module": {
        "src/__init__.py": "",
        "src/model.py": "class Net:\n    def forward(self, x)\n        return x\n",
    },
    "circular_import": {
        "first.py": "from second import two\none = 1\n",
        "second.py": "from first import one\ntwo = 2\n",
    },
    "import_of_own_name": {"src/__init__.py": "", "src/model.py": "class Unet: pass\n"},
    "own_type_error": {
        "src/__init__.py": "",
        "src/model.py": "def build():\n    width = None\n    return width * 2\n",
    },
    **{name: {"a.yaml": "model:\n  name: small_cnn\n"} for name in COMMANDS if name.startswith("trainer_")},
    "trainer_unknown_model": {"a.yaml": "model:\n  name: unet_resnet34\n"},
    "trainer_bad_yaml": {"a.yaml": "model:\n  name: 'small_cnn\n"},
}
