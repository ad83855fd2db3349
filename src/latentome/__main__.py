"""``python -m latentome``: the command, where it is not on the path."""

from latentome.cli import main

if __name__ == "__main__":
    main()
