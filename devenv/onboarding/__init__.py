"""What leads somebody new from a repository's address to an environment that answers, stage by stage."""
