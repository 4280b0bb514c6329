"""Lets a test import the program of any image, which is a module in the image's folder."""

import sys
from pathlib import Path

sys.path[:0] = sorted(str(dockerfile.parent) for dockerfile in Path(__file__).parent.glob("*/Dockerfile"))
