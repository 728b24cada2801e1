"""One runnable file per paper."""

import os

# TensorFlow reports the absence of a GPU in a dozen lines, before anything else.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
