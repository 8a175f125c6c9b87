"""Measurements of devenv beside other tools, on the same engine in the same run."""
