"""`python -m mixwright` is the `mixwright` command."""

import sys

from mixwright.cli import main

sys.exit(main())
