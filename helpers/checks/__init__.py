"""Instant checks: `checks.mean_iou(mean_iou)` passes, or names the mistake and says where to look."""

from helpers.checks.core import CheckFailed
from helpers.checks.evaluation import evaluate, overlay, trained_model
from helpers.checks.iou import confusion_matrix, mean_iou
from helpers.checks.checkpoints import checkpoint
from helpers.checks.loss import make_criterion
from helpers.checks.training import train_one_epoch
from helpers.checks.counting import count_pixels
from helpers.checks.setup import choose_device, load_target
from helpers.checks.augmentation import eval_transform, train_transform
from helpers.checks.picture import denormalize
from helpers.checks.groups import parameter_groups
from helpers.checks.model import build_model, predict
