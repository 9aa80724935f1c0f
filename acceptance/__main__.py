"""Records what only Google can prove, for docs/acceptance.md. Run it as `python3 acceptance`."""

import sys

from cli import main

if __name__ == "__main__":
    sys.exit(main())
