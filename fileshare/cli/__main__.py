"""`python -m fileshare.cli` is `kad`."""

from __future__ import annotations

from fileshare.cli.main import main

if __name__ == "__main__":
    main()
