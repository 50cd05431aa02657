"""`python -m xenlab`, as ./lab calls it."""

import sys

from xenlab.cli import main

sys.exit(main())
