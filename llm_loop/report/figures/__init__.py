"""The figures of the report, drawn as SVG with the standard library alone: no browser script, no plotting package.

Colours are classes, so that a figure follows the reader's light or dark and prints in light. Every figure has a title
and a description for who cannot see it, and says in words what it has nothing to show.
"""
