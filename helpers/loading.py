"""Images and masks as a training loads them: decoded once, at a size that changes from epoch to epoch."""

from torch.utils.data import Dataset

MOST = 500_000_000  # bytes of decoded images that are kept: 1,200 photographs of 320 x 240 pixels


class Pairs(Dataset):
    """The (image, target) pairs of a VOCSegmentation, through the transform that `make_transform(size)` gives.

    `indices` chooses which, in their order. With `keep` what was decoded stays in memory, up to `MOST`
    bytes. Loaders' workers see a new size when they start.
    """

    def __init__(self, dataset, make_transform, size, indices, keep=False):
        self._dataset, self._make, self._keep, self._kept, self._bytes = dataset, make_transform, keep, {}, 0
        self._indices, self.size = indices, None
        self.resize(size)

    def resize(self, size):
        """Give pairs of `size` x `size` pixels from now on."""
        if size != self.size:
            self.size, self._transform = size, self._make(size)

    def __len__(self):
        return len(self._indices)

    def __getitem__(self, number):
        return self._transform(*self._decoded(self._indices[number]))

    def _decoded(self, index):
        if index not in self._kept:
            pair = self._dataset[index]
            needed = sum(image.width * image.height * (4 if image.mode == "RGB" else 1) for image in pair)
            if not self._keep or self._bytes + needed > MOST:
                return pair
            self._kept[index], self._bytes = pair, self._bytes + needed
        return tuple(image.copy() for image in self._kept[index])  # a transform may draw on its image
