"""Made-up pretrained weights in the place of torchvision's, so that a check needs no network."""

import contextlib
import functools
from unittest import mock

import torch
import torchvision
from torchvision.models import MobileNet_V3_Large_Weights, mobilenet_v3_large
from torchvision.models._api import WeightsEnum
from torchvision.models.segmentation import LRASPP_MobileNet_V3_Large_Weights, lraspp_mobilenet_v3_large

WEIGHTS = LRASPP_MobileNet_V3_Large_Weights.DEFAULT
FINAL = ("classifier.low_classifier.", "classifier.high_classifier.")


@functools.cache
def _fresh(segmentation):
    build = functools.partial(lraspp_mobilenet_v3_large, weights_backbone=None) if segmentation else mobilenet_v3_large
    with torch.random.fork_rng([]):
        torch.manual_seed(segmentation)
        return build(weights=None).state_dict()


def made_up(seed, segmentation=True):
    """A state dict for torchvision's LR-ASPP (21 classes), or for its ImageNet classifier."""
    return {key: value.clone() for key, value in _made_up(seed, segmentation).items()}


@functools.lru_cache(maxsize=4)
def _made_up(seed, segmentation):
    random = torch.Generator().manual_seed(2 * seed + segmentation)
    return {key: value + 0.1 * value.std(correction=0) * torch.randn(value.shape, generator=random)
            + 0.01 * torch.rand(value.shape, generator=random) if value.is_floating_point() else value + 1
            for key, value in _fresh(segmentation).items()}


@contextlib.contextmanager
def no_network(seed):
    """Let torchvision's weights come from `made_up(seed)`; yields the list of files that were asked for."""
    asked = []

    def state_of(address, *args, **kwargs):
        asked.append(address)
        for weights, segmentation in ((LRASPP_MobileNet_V3_Large_Weights, True), (MobileNet_V3_Large_Weights, False)):
            if address in [member.url for member in weights]:
                return made_up(seed, segmentation)
        raise RuntimeError(f"the check downloads nothing, and does not know {address.rpartition('/')[2]}")

    with contextlib.ExitStack() as stack:
        for module in (torch.hub, torchvision._internally_replaced_utils, torchvision.models._api):
            stack.enter_context(mock.patch.object(module, "load_state_dict_from_url", state_of))
        stack.enter_context(mock.patch.object(WeightsEnum, "get_state_dict", lambda self, *_, **__: state_of(self.url)))
        yield asked
