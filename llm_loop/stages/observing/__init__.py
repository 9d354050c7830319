"""Where observe takes its evidence from, one source a module; ``llm_loop.stages.observe`` puts them together."""
