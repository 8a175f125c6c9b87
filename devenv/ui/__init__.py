"""Draws results and progress: on a terminal, as plain lines, as JSON."""
