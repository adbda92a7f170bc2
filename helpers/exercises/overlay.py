"""Exercise 5.4: overlay."""

import torch

from helpers import plotting
from helpers.exercises.core import Exercise, Mistake, mistakes
from helpers.exercises.guard import as_found
from helpers.exercises.probe import Probe, difference, each, encode
from helpers.exercises.values import same
from helpers.settings import IGNORE_INDEX

TOLERANCE = 0.004  # a way through bytes is right too


def _masked(target, *skipped):
    painted = torch.ones_like(target, dtype=torch.bool)
    for label in skipped:
        painted &= target != label
    return painted


def _blend(mix, *skipped):
    """An overlay that mixes image and colour its own way on all pixels but those of `skipped` labels."""
    def imitate(image, target, palette, alpha=0.5):
        colours = palette[target.clamp(max=len(palette) - 1)].permute(2, 0, 1) / 255
        return torch.where(_masked(target, *skipped), mix(image, colours, alpha), image)
    return imitate


def _some(painted):
    """An overlay of the pixels of `painted(target, number of classes)` alone."""
    return lambda image, target, palette, *alpha: torch.where(
        painted(target, len(palette)), plotting.overlay(image, target, palette, *alpha), image)


MISTAKES = [
    Mistake("alpha_swapped", _blend(lambda image, colour, alpha: alpha * image + (1 - alpha) * colour, 0, 255),
            "`alpha` is the share of the class colour, 1 - alpha that of the image. Here they have changed places; "
            "with alpha = 0.5 nobody would notice."),
    Mistake("alpha_ignored", _blend(lambda image, colour, alpha: 0.5 * (image + colour), 0, 255),
            "The result does not depend on `alpha`. Use the argument instead of a fixed 0.5."),
    Mistake("alpha_ignored", _blend(lambda image, colour, alpha: colour, 0, 255),
            "The class colours hide the image. Mix them: (1 - alpha) of the image and alpha of the colour."),
    Mistake("palette_not_scaled", _blend(lambda i, c, a: (1 - a) * i + a * c * 255, 0, 255),
            "The palette holds 0 to 255, the image 0 to 1. Divide the colours by 255 before mixing."),
    Mistake("palette_not_scaled", _blend(lambda i, c, a: ((1 - a) * i + a * c * 255).clamp(0, 1), 0, 255),
            "The palette holds 0 to 255, the image 0 to 1. Clipping hides it: divide the colours by 255 instead."),
    Mistake("added_not_blended", _blend(lambda i, c, a: i + a * c, 0, 255),
            "The colour was added to the whole image, so the sum can be above 1. The image's share is 1 - alpha."),
    Mistake("added_not_blended", _blend(lambda i, c, a: (i + a * c).clamp(0, 1), 0, 255),
            "The colour was added to the whole image and clipped. The image's share is 1 - alpha."),
    Mistake("channels_reversed", _blend(lambda i, c, a: (1 - a) * i + a * c.flip(0), 0, 255),
            "Red and blue of the colours have changed places. The palette is in the order red, green, blue, like the "
            "image: do not reverse it."),
    Mistake("last_class_left_out", _some(lambda target, classes: (target > 0) & (target < classes - 1)),
            "The last class is never painted. Classes go up to C-1: `range(1, len(palette))` reaches them all."),
    Mistake("one_class_only", _some(lambda target, classes: target == 1),
            "Only class 1 is painted. Paint every pixel that is neither background (0) nor void (255)."),
    Mistake("colours_shifted", lambda image, target, palette, *alpha: plotting.overlay(
            image, target, palette.roll(1, 0), *alpha),
            "Each class got the colour of the class before it. Row 0 of the palette is background, so class 1 is row "
            "1: `palette[target]`, without - 1."),
    *mistakes("to_255", "These values go up to 255. The image is in 0 to 1, and so is the result: leave out the 255.",
              lambda *case: 255 * plotting.overlay(*case), lambda *case: 255 * plotting.overlay(*case) // 1),
    Mistake("integer_division", _blend(lambda i, c, a: (1 - a) * i + a * c.floor(), 0, 255),
            "`// 255` rounds down, so nearly all colours become black. Use `/ 255`."),
    Mistake("added_not_blended", _blend(lambda i, c, a: i + c, 0, 255),
            "The colour was added to the whole image, so the sum can be above 1. The image's share is 1 - alpha, the "
            "colour's alpha."),
    Mistake("alpha_for_both", _blend(lambda i, c, a: a * (i + c), 0, 255),
            "Image and colour both got alpha. The image's share is 1 - alpha, the colour's alpha."),
    Mistake("not_blended", lambda image, target, palette, alpha=0.5: image,
            "That is the image itself: nothing is painted. Are the blended pixels stored in the result?"),
]


def inputs(seed):
    """Arguments of overlay: one pixel of an object, of background, of void, with another share; then all of them."""
    generator = torch.Generator().manual_seed(seed)
    palette = torch.tensor([[0, 0, 0], [230, 159, 0], [0, 114, 178], [255, 255, 255]], dtype=torch.uint8)
    cases = []
    for target, *alpha in [([[1]],), ([[0]],), ([[255]],), ([[2]], 0.2), ([[2, 255, 0], [3, 1, 1]], 0.7)]:
        target = torch.tensor(target)
        image = torch.randint(1, 10, (3, *target.shape), generator=generator) / 10
        cases.append((image, target, palette, *alpha))
    return cases


def divided_by_256(image, target, palette, *alpha):
    """An overlay in which white is not quite white; too close to tell apart by TOLERANCE."""
    return plotting.overlay(image, target, palette * (255 / 256), *alpha)


def check(student, seed):
    cases = inputs(seed)
    outcomes = [student.attempt(*case) for case in cases]
    _overlay_places(student, cases, outcomes)
    if all(same(outcome.value, divided_by_256(*case), 1e-6) for outcome, case in zip(outcomes, cases)):
        student.wrong("divided_by_256", cases[0], outcomes[0], plotting.overlay(*cases[0]), "The colours were divided "
                      "by 256. The largest byte is 255, and white must become exactly 1.")
    student.compare(plotting.overlay, cases, MISTAKES, "a tensor Float32[3, H, W] in [0, 1]",
                    TOLERANCE)

    def draw():
        rows, columns = torch.meshgrid(torch.arange(48), torch.arange(96), indexing="ij")
        image = torch.stack([rows / 48, columns / 96, 1 - rows / 48])
        target = 1 + (columns // 32)
        target[(rows < 12) | (rows > 40)] = 0
        target[(rows - 26) ** 2 + (columns - 48) ** 2 < 60] = IGNORE_INDEX
        with as_found():
            yours = student(image, target, cases[0][2], 0.5)
        pictures = [(yours, "yours"), (plotting.overlay(image, target, cases[0][2], 0.5), "expected")]
        plotting.panels(pictures, None, "Your overlay beside the expected one; they agree.", columns=2)
    return "overlay paints the objects and leaves background, void and your image alone.", draw


def _overlay_places(student, cases, outcomes):
    """Name the mistakes that show in where the result differs, whatever was painted there."""
    odd = {"objects": 0, "background": 0, "void": 0}
    for (image, target, *rest), outcome in zip(cases, outcomes):
        void, background = target == IGNORE_INDEX, target == 0
        if isinstance(outcome.error, IndexError) and "255" in str(outcome.error):  # the palette has no such colour
            odd["void"] += 1
        elif outcome.error is not None or not torch.is_tensor(outcome.value) or outcome.value.shape != image.shape:
            return
        else:
            wanted = plotting.overlay(image, target, *rest)
            differs = ~torch.isclose(outcome.value.double(), wanted.double(), atol=TOLERANCE).all(0)
            odd["background"] += int((differs & background).sum())
            odd["void"] += int((differs & void).sum())
            odd["objects"] += int((differs & ~background & ~void).sum())
    if odd["objects"]:
        return
    if odd["background"]:
        student.wrong("background_darkened", cases[1], outcomes[1], plotting.overlay(*cases[1]), "The background "
                      "changed. It is black in the palette, so mixing it in darkens the image: paint only where the "
                      "target is not 0.")
    if odd["void"]:
        student.wrong("void_painted", cases[2], outcomes[2], plotting.overlay(*cases[2]), "Void pixels (255) belong to "
                      "no class, and the palette has no colour for them. Paint only where the target is a class: "
                      "`(target != 0) & (target != 255)`.")


def verdict(cases, data):
    """Near the reference, and not what comes of dividing by 256."""
    dim = encode(each(divided_by_256, cases))
    return difference(data, encode(each(plotting.overlay, cases)), TOLERANCE) or (
        None if difference(data, dim, 1e-6) else "the colours were divided by 256, not by 255")


EXERCISE = Exercise(number="5.4", name="overlay", title="Overlay", points=2, notebook="05_evaluation",
                    signatures=("overlay(image, target, palette, alpha=0.5)",),
                    check=check, probe=Probe(inputs, each, TOLERANCE, verdict), reference=plotting.overlay)
