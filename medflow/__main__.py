"""`medflow` and `python -m medflow`."""

from __future__ import annotations

from medflow.cli.root import medflow


def main() -> None:
    """Run the command line; never returns."""
    medflow(prog_name="medflow")


if __name__ == "__main__":
    main()
