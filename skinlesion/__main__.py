"""Entry point: ``skinlesion`` and ``python -m skinlesion``."""

from skinlesion.cli import main

if __name__ == "__main__":
    main()
