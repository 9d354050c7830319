"""The report of a night: a condensed story, a paper, a leaderboard, figures, and one page that holds all of it.

``python -m llm_loop.report`` makes it from the files of a workspace alone, beside a living loop too: gathering reads,
study judges, story and paper say it as documents, figures draw, writing puts whole files in place. The same files give
the same report, but for the moment at which it was made.
"""
