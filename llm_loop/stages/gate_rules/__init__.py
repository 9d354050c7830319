"""The rules of the gate, one subject a module; ``llm_loop.stages.gate`` puts them together."""
