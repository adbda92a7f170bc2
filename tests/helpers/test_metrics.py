"""Metrics against an independent implementation, on random input."""

import pytest
import torch
from torchmetrics.classification import MulticlassConfusionMatrix, MulticlassJaccardIndex

from helpers import metrics
from helpers.settings import IGNORE_INDEX


def random_pair(seed, num_classes, void=True):
    generator = torch.Generator().manual_seed(seed)
    height, width = torch.randint(1, 40, (2,), generator=generator).tolist()
    target = torch.randint(0, num_classes, (3, height, width), generator=generator)
    prediction = torch.randint(0, num_classes, (3, height, width), generator=generator)
    if void:
        target[torch.rand(target.shape, generator=generator) < 0.2] = IGNORE_INDEX
    return target, prediction


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("num_classes", [2, 6, 21])
def test_confusion_matrix_agrees_with_torchmetrics(seed, num_classes):
    target, prediction = random_pair(seed, num_classes)
    expected = MulticlassConfusionMatrix(num_classes, ignore_index=IGNORE_INDEX)(prediction, target)
    assert torch.equal(metrics.confusion_matrix(target, prediction, num_classes), expected)


@pytest.mark.parametrize("seed", range(20))
def test_mean_iou_agrees_with_torchmetrics_when_all_classes_occur(seed):
    target, prediction = random_pair(seed, 4)
    target[:, :1, :1], prediction[:, :1, :1] = 0, 0
    confusion = metrics.confusion_matrix(target, prediction, 4) + torch.eye(4, dtype=torch.int64)
    expected = MulticlassJaccardIndex(4, average="macro")
    expected.confmat = confusion.float()
    assert metrics.mean_iou(confusion) == pytest.approx(expected.compute().item(), abs=1e-6)


def test_a_class_in_neither_target_nor_prediction_is_left_out_of_the_mean():
    confusion = torch.tensor([[3, 1, 0], [0, 2, 0], [0, 0, 0]])
    assert metrics.mean_iou(confusion) == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert metrics.iou_per_class(confusion)[2].isnan()


def test_void_predictions_are_never_counted_and_uint8_does_not_overflow():
    target = torch.tensor([20, 20, IGNORE_INDEX], dtype=torch.uint8)
    prediction = torch.tensor([20, 19, 20], dtype=torch.uint8)
    confusion = metrics.confusion_matrix(target, prediction, 21)
    assert confusion.sum() == 2 and confusion[20, 20] == 1 and confusion[20, 19] == 1


def test_evaluate_adds_up_batches_of_different_sizes_and_keeps_the_mode():
    class Echo(torch.nn.Module):  # predicts the class that is written in the red channel
        def forward(self, images):
            return {"out": torch.nn.functional.one_hot(images[:, 0].long(), 3).permute(0, 3, 1, 2).float()}

    target, prediction = random_pair(0, 3)
    images = prediction[:, None].float().repeat(1, 3, 1, 1)
    model = Echo().train()
    confusion = metrics.evaluate(model, [(images[:2], target[:2]), (images[2:], target[2:])], 3, torch.device("cpu"))
    assert torch.equal(confusion, metrics.confusion_matrix(target, prediction, 3))
    assert model.training


def test_border_is_where_another_class_is_near():
    target = torch.zeros(9, 9, dtype=torch.int64)
    target[:, 5:] = 1
    border = metrics.border(target, width=1)
    assert border[4].tolist() == [False] * 4 + [True, True] + [False] * 3
    target[0, 0] = IGNORE_INDEX
    assert not metrics.border(target)[0, 0] and metrics.border(target)[1, 1]


def test_a_head_as_fine_as_the_image_could_be_perfect_and_a_coarse_one_could_not():
    target = torch.zeros(16, 24, dtype=torch.int64)
    target[3:11, 5:17], target[0, 0], target[14, 20] = 1, IGNORE_INDEX, 2
    valid = target != IGNORE_INDEX
    assert torch.equal(metrics.coarse(target, 1, 3)[valid], target[valid])
    scores = [metrics.mean_iou(metrics.confusion_matrix(target, metrics.coarse(target, stride, 3), 3))
              for stride in (1, 4, 8)]
    assert scores[0] == 1 > scores[1] > scores[2]
    assert not (metrics.coarse(target, 8, 3) == 2).any()  # a single pixel is too small to be seen


def test_void_has_no_say_in_a_coarse_answer():
    target = torch.full((8, 8), IGNORE_INDEX)
    target[0, 0], target[1, :2] = 0, 1
    assert (metrics.coarse(target, 8, 2) == 1).all()  # two pixels against one


def test_a_coarse_answer_has_the_size_of_a_target_that_no_stride_divides():
    assert metrics.coarse(torch.zeros(13, 9, dtype=torch.int64), 8, 2).shape == (13, 9)


def test_an_answer_of_background_everywhere_is_right_where_background_is():
    confusion = metrics.confusion_matrix(torch.tensor([0, 0, 0, 1, 1, 255]), torch.tensor([0, 1, 1, 1, 0, 1]), 3)
    assert metrics.all_background(confusion) == pytest.approx((3 / 5 + 0) / 2)  # class 2 is nowhere
