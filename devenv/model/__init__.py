"""The words of devenv as data: frozen values without behaviour."""
