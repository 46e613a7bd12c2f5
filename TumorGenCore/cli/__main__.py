"""`python -m TumorGenCore.cli`, for launchers that take a module."""

import sys

from TumorGenCore.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
