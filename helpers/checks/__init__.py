"""Instant checks: `checks.mean_iou(mean_iou)` passes, or names the mistake and says where to look."""

from helpers.checks.core import CheckFailed
