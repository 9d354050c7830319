"""What the gate knows of a workspace, for all of its tests."""

from __future__ import annotations

import pytest

from llm_loop.stages.gate import GateContext, load_policy
from tests.stages.gate.cases import POLICY_FILE


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> GateContext:
    workspace = tmp_path_factory.mktemp("work space")
    repository = workspace / "demo"
    for name in ("src", "configs", "data", "runs", "outputs", "a[1] b", "it's", "übung"):
        (repository / name).mkdir(parents=True)
    (workspace / ".llm_loop" / "runs" / "R0001" / "attempt-1").mkdir(parents=True)
    (workspace / ".llm_loop_sealed").mkdir()
    (workspace / ".llm_loop_sealed" / "test.npz").write_bytes(b"")
    return GateContext(
        workspace=workspace,
        training_repo_root=repository,
        sealed_root=workspace / ".llm_loop_sealed",
        forbidden_approaches=("nnUNetv2_train", "nnunet", "self training"),
        policy=load_policy(POLICY_FILE),
        shell="bash",
        known_run_ids=frozenset({"R0001", "R0002"}),
        active_run_ids=("R0002",),
    )
