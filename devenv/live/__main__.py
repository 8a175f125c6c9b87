"""`python -m devenv.live`: a background process, with its errand on stdin. `live.Background` starts it."""

import gc
import sys

from devenv.live import assignment, serving

# Starting makes many objects and drops few, and so does a first copy.
gc.set_threshold(50_000, 20, 20)
serving.run(assignment.read(sys.stdin.read()))
