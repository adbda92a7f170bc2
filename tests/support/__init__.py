"""What tests share."""

import os

import pytest


def missing(reason):
    """Skip a test for what this machine lacks; in CI, where nothing may be lacking, fail it."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
