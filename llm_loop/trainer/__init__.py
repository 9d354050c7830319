"""The reference trainer: short, honest CNN trainings on images, started by the loop as a child process.

Run it with ``python -m llm_loop.trainer --help``. The loop never imports it, and it imports nothing
of the loop but the contracts and the file writer: the two speak through files in a run folder.
"""
