"""`python -m vigos_train`: what torchrun and accelerate launch start."""

import sys

from vigos_train.cli import main

if __name__ == "__main__":
    sys.exit(main())
