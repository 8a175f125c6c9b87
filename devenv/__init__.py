"""Reproducible development environments from one `devenv.toml`."""

__version__ = "0.1.0"
