"""Compare the trainer's loop with the same training in Lightning, and with the bare step, side by side in one process.

    .venv-train/bin/python benchmarks/trainer_against_lightning.py [--rounds 15] [--only NAME ...]
    ... --device cuda [--compile]

Needs Lightning: ``pip install "lightning>=2.5"`` in the training environment. The same network with the same first
weights, images, batch, optimizer, schedule, loss, precision and memory format; before the clock runs, both train on a
single batch for some epochs, and the benchmark ends where their losses differ. Then in each round each of them trains
an epoch to warm up and some that are timed (training steps alone, no evaluation), in an order that changes from round
to round.

- Lightning: a LightningModule and a DataLoader over tensors in memory; no logger, checkpoints or progress bar.
- gathered: the same, each batch taken out of the tensors by one indexing. Most users do not write it so.
- bare step: forward, loss, backward and optimizer on one batch, over and over, which already lies on the device.

Prints images/s (medians over the rounds), by CPU-seconds of the process and by wall seconds, and how many times as fast
as the others the trainer is: the median of the rounds with the middle half of them, and that of the fastest rounds,
which other programs disturbed least. On a CPU that others use, trust CPU-seconds; on CUDA they mean nothing and wall
seconds are told alone. Exit code 1 where a median is below its target: 1.0 of Lightning; on CUDA also 0.9 of the bare
step, and with ``--compile`` 1.8 of the trainer uncompiled at batch 16.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from llm_loop.trainer import settings_file  # noqa: E402
from llm_loop.trainer.settings import Settings  # noqa: E402

if TYPE_CHECKING:
    from benchmarks.trainer_contestants import Spent

OURS, COMPILED, PEER, GATHERED, BARE = "ours", "ours compiled", "Lightning", "gathered", "bare step"
TARGET, BARE_TARGET, COMPILED_TARGET, LAUNCH_BOUND = 1.0, 0.9, 1.8, 16
SAME_WITHIN = 1e-3
Rounds = dict[str, list["Spent"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Hold a training; ``images`` is a multiple of ``batch``, so that every batch is full, ``epochs`` are timed."""

    name: str
    task: str
    size: int
    batch: int
    images: int
    epochs: int
    model: dict[str, Any]

    def settings(self, epochs: int, device: str, *, images: int | None = None, **training: Any) -> Settings:
        """Return the settings of a training of enough epochs."""
        masks = self.task == "segmentation"
        data = {"source": "xray" if masks else "digits", "image_size": self.size}
        if masks:
            data["val_images"] = 2
        values = {
            "schema_version": 1,
            "task": self.task,
            "data": {**data, "train_images": images or self.images},
            "model": self.model,
            "optimizer": {"name": "adamw", "learning_rate": 0.002},
            "schedule": {"name": "one_cycle"},
            "training": {"epochs": epochs, "batch_size": self.batch, "device": device, **training},
            "loss": {"name": "bce_dice" if masks else "cross_entropy"},
            "selection": {"metric": "val_dice" if masks else "val_log_loss"},
        }
        return settings_file.from_mapping(values)


CPU_CASES = (
    Case(
        name="simple_unet",
        task="segmentation",
        size=64,
        batch=16,
        images=160,
        epochs=1,
        model={"name": "simple_unet", "width": 8, "depth": 4},
    ),
    Case(
        name="smp_unet",
        task="segmentation",
        size=64,
        batch=16,
        images=64,
        epochs=1,
        model={"name": "smp:Unet", "encoder": "tu-mobilenetv3_small_050"},
    ),
    Case(
        name="timm_test_resnet",
        task="classification",
        size=32,
        batch=32,
        images=288,
        epochs=2,
        model={"name": "timm:test_resnet"},
    ),
    Case(
        name="small_cnn",
        task="classification",
        size=8,
        batch=32,
        images=288,
        epochs=20,
        model={"name": "small_cnn", "width": 16, "depth": 2},
    ),
)
_RESNET34 = {"name": "smp:Unet", "encoder": "resnet34"}
CUDA_CASES = (
    Case(name="smp_unet_b16", task="segmentation", size=256, batch=16, images=480, epochs=3, model=_RESNET34),
    Case(name="smp_unet_b64", task="segmentation", size=256, batch=64, images=960, epochs=2, model=_RESNET34),
    Case(
        name="timm_resnet18",
        task="classification",
        size=128,
        batch=32,
        images=288,
        epochs=20,
        model={"name": "timm:resnet18"},
    ),
)


def measure(case: Case, rounds: int, options: argparse.Namespace) -> Rounds:
    """Return what each contestant took in each round."""
    import torch

    from benchmarks import trainer_contestants as contestants
    from llm_loop.trainer.images.load import load_data
    from llm_loop.trainer.train import make_model

    device, folder = torch.device(options.device), Path(options.folder)
    settings = case.settings(rounds * (1 + case.epochs), options.device)
    data = load_data(settings)
    model = make_model(settings, data)
    ours = contestants.Ours(model, data, settings, device, folder)
    parts = (contestants.Plain(model, settings, channels_last=ours.channels_last), data, settings, device)
    racing: dict[str, Any] = {
        OURS: ours,
        PEER: contestants.Peer(*parts, gathered=False, workers=options.workers),
        GATHERED: contestants.Peer(*parts, gathered=True, workers=options.workers),
        BARE: contestants.Bare(*parts),
    }
    if options.compile:
        compiled = case.settings(rounds * (1 + case.epochs), options.device, compile=True)
        racing[COMPILED] = contestants.Ours(model, data, compiled, device, folder)
    found: Rounds = {name: [] for name in racing}
    for number in range(rounds):
        names = list(racing)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            found[name].append(racing[name].round(case.epochs))
    return found


def expect_same(case: Case, options: argparse.Namespace) -> None:
    """End the benchmark where the loops do not train alike: epochs of one batch must have the same losses."""
    import torch

    from benchmarks import trainer_contestants as contestants
    from llm_loop.trainer.images.load import load_data
    from llm_loop.trainer.train import make_model

    device, epochs = torch.device(options.device), 6
    settings = case.settings(epochs, options.device, images=case.batch, precision="fp32")
    data = load_data(settings)
    model = make_model(settings, data)
    ours = contestants.Ours(model, data, settings, device, Path(options.folder))
    plain = contestants.Plain(model, settings, channels_last=ours.channels_last)
    peer = contestants.Peer(plain, data, settings, device, gathered=False, workers=0)
    losses, others = ours.losses(epochs), peer.losses(epochs)
    if any(abs(one - other) > SAME_WITHIN * abs(other) for one, other in zip(losses, others, strict=True)):
        raise SystemExit(f"\n{case.name}: the loops do not train alike, losses {losses} and {others}")


def times_as_fast(found: Rounds, other: str, field: str, name: str = OURS) -> list[float]:
    """Return how many times as fast as ``other`` each round of ``name`` was, in rising order."""
    pairs = zip(found[name], found[other], strict=True)
    return sorted(getattr(theirs, field) / getattr(mine, field) for mine, theirs in pairs)


def rate(found: Rounds, name: str, field: str, case: Case) -> str:
    """Return the median images/s, for people; "-" for who did not take part."""
    if name not in found:
        return "-"
    return f"{case.epochs * case.images / statistics.median(getattr(one, field) for one in found[name]):,.0f}"


def told(found: Rounds, other: str, field: str, name: str = OURS) -> str:
    """Return the median of the rounds' ratios and its middle half, and the ratio of the fastest rounds."""
    ratios = times_as_fast(found, other, field, name)
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    fastest = fewest(found, other, field) / fewest(found, name, field)
    return f"{median:.3f} ({low:.3f} to {high:.3f}), fastest {fastest:.3f}"


def fewest(found: Rounds, name: str, field: str) -> float:
    """Return the seconds of the fastest round."""
    least: float = min(getattr(one, field) for one in found[name])
    return least


def rows(case: Case, found: Rounds, fields: list[str]) -> list[str]:
    """Return the rows of the table for a case."""
    lines = []
    for field in fields:
        cells = [case.name, "CPU" if field == "cpu_s" else "wall"]
        cells += [rate(found, name, field, case) for name in (OURS, PEER, GATHERED, BARE, COMPILED)]
        cells += [told(found, other, field) for other in (PEER, GATHERED, BARE)]
        cells.append(told(found, OURS, field, COMPILED) if COMPILED in found else "-")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def below_target(case: Case, found: Rounds, device: str) -> list[str]:
    """Return what is below its target."""
    on_cuda = device != "cpu"
    field = "wall_s" if on_cuda else "cpu_s"
    targets = [(OURS, PEER, TARGET)]
    if on_cuda:
        targets.append((OURS, BARE, BARE_TARGET))
    if on_cuda and COMPILED in found and case.batch == LAUNCH_BOUND:
        targets.append((COMPILED, OURS, COMPILED_TARGET))
    ratios = (
        (one, other, statistics.median(times_as_fast(found, other, field, one)), at) for one, other, at in targets
    )
    return [f"{case.name}: {one} is {got:.3f} of {other}, target {at}" for one, other, got, at in ratios if got < at]


def main() -> int:
    """Measure, print, and say what is below its target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu or cuda, which has cases of its own (default: cpu).")
    parser.add_argument("--rounds", type=int, default=15, help="Rounds (default: 15).")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="Cases by name (default: all of the device).")
    parser.add_argument("--compile", action="store_true", help="Let the compiled trainer take part.")
    parser.add_argument("--workers", type=int, help="Of Lightning's loaders (default: 0 on the CPU, 4 on CUDA).")
    options = parser.parse_args()
    if importlib.util.find_spec("lightning") is None:
        raise SystemExit('the Python package lightning is missing: pip install "lightning>=2.5"')
    if options.workers is None:
        options.workers = 0 if options.device == "cpu" else 4
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    cases = CPU_CASES if options.device == "cpu" else CUDA_CASES
    cases = tuple(case for case in cases if not options.only or case.name in options.only)
    fields = ["cpu_s", "wall_s"] if options.device == "cpu" else ["wall_s"]
    head = ["case", "by", *(f"{name}, images/s" for name in (OURS, PEER, GATHERED, BARE, COMPILED))]
    head += [f"ours / {name}" for name in (PEER, GATHERED, BARE)] + ["compiled / ours"]
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head), flush=True)
    missed: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        options.folder = folder
        for case in cases:
            expect_same(case, options)
            found = measure(case, options.rounds, options)
            print("\n".join(rows(case, found, fields)), flush=True)
            missed += below_target(case, found, options.device)
    tell_machine(options.rounds)
    print("\n".join(missed) or "every target is met")
    return 1 if missed else 0


def tell_machine(rounds: int) -> None:
    """Print what the figures belong to."""
    import lightning
    import torch

    load = f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"
    versions = f"torch {torch.__version__}, Lightning {lightning.__version__}"
    print(f"{rounds} rounds, 1 thread, {os.cpu_count()} cores, load average {load} at the end, {versions}")


if __name__ == "__main__":
    sys.exit(main())
