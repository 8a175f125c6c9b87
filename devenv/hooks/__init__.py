"""Checks before a commit or a push: run inside the environment, on what is staged and nothing else.

What is staged lies in a folder of its own, `.devenv/hooks/tree` of an app's folder; the working tree is only touched at
the end, to bring back what a check has changed. So there is nothing to set aside, and nothing that a kill could lose.
"""
