"""`python -m xenlab`, as ./lab calls it."""

import sys

from xenlab.cli.main import main

sys.exit(main())
