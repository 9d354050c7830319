"""Commands as training repositories really have them: none of them may be kept from its slot."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.validation.conftest import POSIX_ONLY, Check, no_failure, states, write

REPOSITORY = {
    # as of timm, mae, dino: scripts at the top, packages beside them
    "train.py": (
        '"""Train."""\nimport argparse, types, torch, timm\nfrom models import build\nfrom utils.log import say\n'
        "try:\n    from apex import amp\nexcept ImportError:\n    amp = None\n"
        "if torch:\n    import functorch_of_old\n"
        "parser = argparse.ArgumentParser()\n\n\ndef main():\n    import only_when_called\n\n\n"
        "if __name__ == '__main__':\n    main()\n"
    ),
    "models/__init__.py": "from .unet import UNet\nfrom . import blocks\n\n\ndef build():\n    return UNet\n",
    "models/unet.py": (
        "from __future__ import annotations\nfrom typing import TYPE_CHECKING\n"
        "import segmentation_models_pytorch as smp\n"
        "if TYPE_CHECKING:\n    from mypy_only import Type\n\n\nclass UNet:\n    pass\n"
    ),
    "models/blocks.py": "from models.unet import UNet\n",  # a circle
    "utils/log.py": "say = print\n",  # a namespace package
    # as of yolo: the root is put on the path by the script itself
    "segment/train.py": (
        "import sys\nfrom pathlib import Path\nsys.path.append(str(Path(__file__).parents[1]))\n"
        "from models.unet import UNet\nimport from_elsewhere\n"
    ),
    # as of detectron: scripts in tools, their package installed by 'develop', or not
    "tools/__main__.py": "from . import nothing_there\n",
    "tools/train_net.py": "from detectron2 import model_zoo\nfrom models import build\n",
    "tools/_init_paths.py": "import os.path as osp\nimport sys\nsys.path.insert(0, osp.join(__file__, '../lib'))\n",
    "tools/old_train.py": "import _init_paths\nimport fast_rcnn_of_lib\n",
    # as of the templates for lightning and hydra: a package finds the root
    "src/train.py": (
        "import rootutils\nrootutils.setup_root(__file__, indicator='.root', pythonpath=True)\n"
        "from src.data import Data\nimport brought_by_the_root\n"
    ),
    "src/data.py": "import torch\nData = 1\n",
    # a module only for Windows, one that a hook brings, one that is installed on the way
    "platform_train.py": "import sys\nif sys.platform == 'plan9':\n    import plan9_only\nimport torch\n",
    "hook_train.py": "import sys, importlib.abc\nsys.meta_path.append(None)\nimport from_the_hook\n",
    "own_pip.py": "import subprocess\nsubprocess.run(['python', '-m', 'pip', 'install', 'x'])\nimport x_pip\n",
    "stub_train.py": "import sys\nsys.modules['faked'] = sys\nimport faked\n",
    "asks_train.py": "import sys\nif 'worker' in sys.argv:\n    sys.exit(0)\nimport of_the_other_branch\n",
    "starts_app.py": "from simulator import Simulation\napp = Simulation()\nimport brought_by_the_app\n",
    "not_main.py": "import torch\nif __name__ != '__main__':\n    import for_importers_alone\n",
    "guarded.py": "from contextlib import suppress\nwith suppress(ImportError):\n    import tb_nix\nimport torch\n",
    "types.py": "this is no Python, and Python has a module types already\n",
    "bom.py": "\ufeffimport torch\n",
    "lib/py2.py": "print 'nobody imports this'\n",
    "notebook.ipynb": "{}",
    "configs/a.yaml": "model: !join [a, b]\nlr: &lr 1e-3\nref: *lr\nroot: ${data_dir}\n---\nsecond: document\n",
    "configs/t.yaml": "name: {{ name }}\n{% if a %}\n",
    "configs/c.json": '// a comment\n{"lr": 1,}\n',
    "configs/latin.yaml": "a: 1\n",
    "scripts/train.sh": "python train.py\n",
    "Makefile": "train:\n\tpython train.py\n",
}
PLAIN = (
    "python train.py",
    "python ./train.py --model resnet18 --lr 1e-3 --opt adamw",
    "python -u train.py --config configs/a.yaml",
    "python -O -X utf8 -W ignore train.py",
    "python train.py --cfg configs/t.yaml",
    "python train.py --config configs/c.json",
    "python train.py --config configs/latin.yaml",
    "python train.py --config yolov8n.yaml",
    "python train.py --config-file COCO-Detection/faster_rcnn_R_50_FPN_3x.yaml",
    "python train.py --config s3://bucket/a.yaml",
    "python train.py --config-name experiment",
    "python train.py --config other/a.yaml",
    "python train.py experiment=baseline +trainer.gpus=1 model.lr=0.01",
    "python -m models.unet",
    "python -m src.data",
    "python -m src.train",
    "python -m tools",
    "python -m torch.distributed.run --nproc_per_node=2 train.py --epochs 3",
    "python -m torch.distributed.launch --nproc_per_node=2 nowhere.py",
    "python -m pdb train.py",
    "python segment/train.py --weights w.pt",
    "python tools/train_net.py --num-gpus 8",
    "python tools/old_train.py",
    "python src/train.py",
    "python platform_train.py",
    "python hook_train.py",
    "python own_pip.py",
    "python stub_train.py",
    "python asks_train.py",
    "python starts_app.py",
    "python guarded.py",
    "python not_main.py",
    "python bom.py",
    "python {run_dir}/new.py --out {run_dir}",
)
IN_BASH = (
    "CUDA_VISIBLE_DEVICES=0 OMP_NUM_THREADS=1 python train.py",
    "cd segment && python train.py --img 640",
    "cd src && PYTHONPATH=.. python train.py",
    "export WANDB_MODE=offline; python train.py 2>&1 | tee {run_dir}/log.txt",
    "set -euo pipefail\nmkdir -p {run_dir}/x\npython train.py --out {run_dir}/x",
    "PYTHONPATH=lib:$PYTHONPATH python train.py",
    "PYTHONPATH=$(pwd)/lib python -c 'import nix'",
    "python train.py model.layers=[1,2] 'seeds=[1,2]' --glob *.png ~/x",
    "LR=0.1; python train.py --lr $LR",
    "for s in 1 2 3; do python train.py --seed $s; done",
    "if [ -f nix.py ]; then python nix.py; else python train.py; fi",
    "python nix.py || python train.py",
    "python nix.py && python other.py || python train.py",
    "true && python nix.py & python train.py",
    "set +e; python nix.py; python train.py",
    "[ -d nix ] && python nix.py; python train.py",
    "echo 'lr: 1' > made.yaml && python train.py --config configs/made.yaml",
    "printf 'import torch' > made.py; python made.py",
    "nohup nice -n 10 python -u train.py > out.log 2>&1",
    "timeout 3600 env A=1 B=2 python train.py",
    "time python train.py",
    "bash scripts/train.sh --lr 1",
    "(cd segment; python train.py)",
    "{ python train.py; }",
    "python - <<'E'\nimport nix\nE",
    "python -c 'import nix_module'",
    "python train.py & wait",
    "PATH=/opt/x/bin:$PATH nixpython train.py",
    "train() { python train.py; }; train",
    "source env.sh && nix_function",
    "$RUNNER nix.py",
    "shopt -s extglob\nls !(nix)",
    "cat notebook.ipynb | python -",
    "mkdir -p made && cd made && python ../train.py",
    "eval nix_nix",
    "true && true && python train.py && python nix_afterwards.py",
    ': "${X:=1}"; python train.py',
)


@pytest.fixture
def honest(repository: Path) -> Path:
    write(repository, REPOSITORY)
    (repository / "configs" / "latin.yaml").write_bytes("a: größe\n".encode("latin-1"))
    return repository


@pytest.mark.parametrize("command", PLAIN)
def test_a_plain_command_is_not_kept_out(command: str, honest: Path, check: Check) -> None:
    no_failure(check(command, run_files=[{"name": "new.py", "text": "import torch\n"}]))


@POSIX_ONLY
@pytest.mark.parametrize("command", IN_BASH)
def test_a_command_for_a_shell_is_not_kept_out(command: str, honest: Path, check: Check) -> None:
    no_failure(check(command))


@POSIX_ONLY
@pytest.mark.parametrize(
    "command",
    (
        "conda run -n other python nix.py",
        "uv run nix.py",
        "poetry run python nix.py",
        "torchrun --nproc_per_node 2 nix.py",
        "accelerate launch --config_file x.yaml nix.py",
        "yolo train data=coco8.yaml model=yolov8n.pt",
        "make train",
        "jupyter nbconvert --execute notebook.ipynb",
        "docker run x python nix.py",
        "srun --gres=gpu:1 python nix.py",
    ),
)
def test_what_another_program_starts_is_left_alone(
    command: str, honest: Path, check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / command.split()[0]
    write(tmp_path / "bin", {program.name: "#!/bin/sh\n"})
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    answer = check(command)
    no_failure(answer)
    assert states(answer)["code"] == states(answer)["modules"] == "skipped"


def test_a_script_that_is_plain_is_looked_into(honest: Path, check: Check) -> None:
    found = states(check("python train.py"))
    assert [found[name] for name in ("command", "files", "code", "modules")] == ["passed"] * 4
    doubtful = states(check("python segment/train.py"))
    assert (doubtful["code"], doubtful["modules"]) == ("passed", "unknown")


@POSIX_ONLY
def test_powershell_is_read_by_ours_alone(honest: Path, check: Check) -> None:
    answer = check('$env:A = "1"; if ($x) { python nix.py } else { python train.py }', shell="pwsh")
    last = answer["checks"][-1]
    assert last["state"] != "failed" or "pwsh" in last["why"]  # the shell itself may be missing here
    no_failure(check("python train.py --config configs/a.yaml", shell="pwsh"))
