"""Which packages an install may take: what is named, and never what is guessed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from llm_loop.repairs.allowed import NamedBy, Sources, allowed_names, for_model, for_module, for_request
from llm_loop.repairs.declared import declared_requirements
from llm_loop.repairs.known_modules import KNOWN_MODULES
from llm_loop.repairs.refusal import RepairRefused
from llm_loop.repairs.requirement import normal_name

MAPS = Sources(
    module_packages={
        "segmentation_models_pytorch": ("segmentation-models-pytorch", "timm"),
        "a.b": ("ab-package",),
        "a": ("a-package",),
    },
    module_aliases={"cv2": ("opencv-python",), "pil": ("pillow",)},
    model_packages={"unet_resnet34": ("segmentation-models-pytorch",)},
)


@pytest.mark.parametrize(
    ("module", "packages", "named_by"),
    [
        ("segmentation_models_pytorch", ("segmentation-models-pytorch", "timm"), NamedBy.MODULE_MAP),
        ("segmentation_models_pytorch.losses", ("segmentation-models-pytorch", "timm"), NamedBy.MODULE_MAP),
        ("a.b", ("ab-package",), NamedBy.MODULE_MAP),
        ("a.b.c", ("ab-package",), NamedBy.MODULE_MAP),
        ("a.c", ("a-package",), NamedBy.MODULE_MAP),
        ("PIL.Image", ("pillow",), NamedBy.ALIAS_MAP),
    ],
)
def test_maps_come_first(module: str, packages: tuple[str, ...], named_by: NamedBy) -> None:
    choice = for_module(module, MAPS)
    assert (choice.requirements, choice.named_by) == (packages, named_by)


def test_what_the_repository_declares_is_taken_with_its_versions() -> None:
    sources = Sources(declared=("Foo.Bar>=2", "scikit-learn==1.5"), listed=("foo-bar<3",))
    assert for_module("foo_bar", sources).requirements == ("foo-bar<3,>=2",)
    found = for_module("sklearn.svm", sources)  # the table says where it is, the declaration that it may be taken
    assert (found.requirements, found.named_by) == (("scikit-learn==1.5",), NamedBy.DECLARED)
    aliased = Sources(module_aliases={"cv2": ("opencv-python",)}, declared=("opencv-python-headless~=4.10",))
    assert for_module("cv2", aliased).requirements == ("opencv-python-headless~=4.10",)


def test_the_table_counts_only_where_it_is_allowed() -> None:
    assert for_module("skimage.io", Sources(allow_known=True)).requirements == ("scikit-image",)
    with pytest.raises(RepairRefused, match="auto_repair_allow_direct_module_install is off"):
        for_module("skimage.io", Sources())


@pytest.mark.parametrize(
    "module",
    ["reqeusts", "torchvison", "pil", "Yaml", "os; rm -rf /", "a b", "", "../x", "a" * 5000, "--pre", "a..b", "os"],
)
def test_a_name_is_never_guessed(module: str) -> None:
    with pytest.raises(RepairRefused):
        for_module(module, Sources(allow_known=True))


def test_models_have_their_map_only() -> None:
    assert for_model("UNet_ResNet34", MAPS).requirements == ("segmentation-models-pytorch",)
    with pytest.raises(RepairRefused, match="auto_repair_model_package_map"):
        for_model("timm", Sources(allow_known=True))


def test_a_decision_may_ask_for_what_is_allowed() -> None:
    sources = Sources(declared=("timm<2",), allow_known=True)
    assert for_request(["timm>=1.0", "PyYAML"], sources) == ("timm>=1.0,<2", "pyyaml")
    for hostile in ("evil", "llm_loop", "pip", "timm @ http://x", "--index-url=http://x"):
        with pytest.raises(RepairRefused):
            for_request(["timm", hostile], sources)
    assert for_request([], sources) == ()
    assert "timm" in allowed_names(sources) and not allowed_names(sources) & {"pip", "llm-loop"}


def test_a_map_cannot_name_what_no_install_takes() -> None:
    with pytest.raises(RepairRefused):
        for_module("x", Sources(module_packages={"x": ("llm.loop",)}))
    with pytest.raises(RepairRefused):
        for_module("x", Sources(module_packages={"x": ("git+https://example.org/x",)}))


def test_the_table_holds_normal_names() -> None:
    assert all(package == normal_name(package) for package in KNOWN_MODULES.values())
    assert all(module.isidentifier() for module in KNOWN_MODULES)


def test_declarations_are_read_from_the_usual_files(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(
        "\ufeff# what we need\nnumpy>=1.26,<3  # arrays\nfoo_bar[gpu]==1.0 \\\n    --hash=sha256:abc\n"
        "-r other.txt\n--index-url http://evil\ngit+https://example.org/x\n./local\nbaz @ https://example.org/baz.whl\n"
        'old; python_version < "3.8"\n',
        encoding="utf-8",
    )
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "dev.txt").write_text("pytest\r\nnumpy!=2.0\r\n", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\ndependencies = ["timm>=1"]\n[project.optional-dependencies]\nextra = ["h5py"]\n'
        '[dependency-groups]\ndev = ["ruff", {include-group = "x"}]\n'
        '[tool.poetry.dependencies]\npython = "^3.11"\nkornia = "^0.7"\n',
        encoding="utf-8",
    )
    (tmp_path / "setup.cfg").write_text(
        "[options]\ninstall_requires =\n    einops>=0.6\n    %broken\n", encoding="utf-8"
    )
    assert set(declared_requirements(tmp_path)) == {
        "numpy>=1.26,<3,!=2.0",
        "foo-bar[gpu]==1.0",
        'old; python_version < "3.8"',
        "pytest",
        "timm>=1",
        "h5py",
        "ruff",
        "kornia",
        "einops>=0.6",
    }


def test_broken_files_declare_nothing(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").mkdir()
    (tmp_path / "pyproject.toml").write_bytes(b"\xff\xfe[project")
    (tmp_path / "setup.cfg").write_text("install_requires\n[[", encoding="utf-8")
    assert declared_requirements(tmp_path) == () == declared_requirements(tmp_path / "missing")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements.txt", "timm" + " " * 290_000 + "b"),
        ("requirements.txt", "timm" + "\t -" * 70_000),
        ("requirements.txt", "timm ==\n" * 37_000),
        ("setup.cfg", "[options]\ninstall_requires =\n  timm" + " " * 280_000 + "x"),
        ("pyproject.toml", "a" + ".a" * 140_000 + " = 1"),
        ("pyproject.toml", "a" + ".a" * 45_000 + " = 1"),
        ("pyproject.toml", "a = " + "9" * 90_000),
        ("pyproject.toml", "a = " + "[" * 90_000),
    ],
)
def test_hostile_files_declare_nothing_and_cost_no_time(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    began = time.process_time()
    assert set(declared_requirements(tmp_path)) <= {"timm"}
    assert time.process_time() - began < 5  # minutes, where a reading is not bounded


def test_a_requirement_with_more_hashes_than_anybody_reads_is_declared(tmp_path: Path) -> None:
    hashes = "".join(f" \\\n    --hash=sha256:{number:064x}" for number in range(90))
    (tmp_path / "requirements.txt").write_text(f"numpy==2.0.1{hashes}\ntimm\n", encoding="utf-8")
    assert declared_requirements(tmp_path) == ("numpy==2.0.1", "timm")
