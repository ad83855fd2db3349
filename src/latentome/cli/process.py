"""``latentome process``: placeholder."""


def command() -> None:
    """Placeholder."""
