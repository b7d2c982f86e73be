"""`python -m vigos_eval`: what torchrun starts."""

import sys

from vigos_eval.cli import main

if __name__ == "__main__":
    sys.exit(main())
