"""CVAT's "CVAT for images 1.1": one XML with all images.

https://docs.cvat.ai/docs/manual/advanced/xml_format/. Shapes are drawn in the order of `z_order`; a box or an ellipse
may be turned about its centre; a mask is run lengths, row by row, within its own box.
"""

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from tools.annotations import regions, rle
from tools.annotations.folder import line
from tools.annotations.regions import Skip, Unusable

NO_AREA = {"polyline", "points", "cuboid", "tag", "skeleton"}


def parse(data):
    """The root of an XML file; Unusable if it is not XML, or defines entities (which can blow up, or fetch files)."""
    try:
        return fromstring(data, forbid_dtd=True)
    except ParseError as error:
        raise Unusable(f"not whole XML ({line(error)[:60]})") from None
    except (DefusedXmlException, ValueError, LookupError, RecursionError):
        raise Unusable("XML with a document type or entities, which no export of CVAT has") from None


def is_mine(root):
    return root.tag == "annotations" and (root.find("image") is not None or root.find("track") is not None)


def read(path, root, folder):
    """A Sample or a Skip for each image of a CVAT file."""
    name = folder.name(path)
    if root.find("track") is not None:
        yield Skip(name, 'an export for videos; choose "CVAT for images 1.1" in CVAT')
    for image in root.iter("image"):
        title = f"{name}: {line(image.get('name', 'an image without a name'))}"
        try:
            size = regions.size_of(image.get("width"), image.get("height"))
            picture = folder.find(image.get("name"), path)
            regions.countable(image)
        except Unusable as error:
            yield Skip(title, str(error))
            continue
        sample = regions.from_file(title, picture, size)
        for shape in sorted(image, key=_depth):
            sample.add(region, shape)
        yield sample


def _depth(shape):
    try:
        return int(shape.get("z_order", 0))
    except ValueError:
        return 0


def region(shape):
    """A Region from one of CVAT's elements; Unusable, in a few words, if it has no area."""
    kind, label = shape.tag, shape.get("label")
    if kind in NO_AREA:
        raise Unusable(f"a {kind} has no area")
    if not label:
        raise Unusable("a shape without a label")
    try:
        degrees = regions.number(shape.get("rotation", 0))
        if kind == "polygon":
            points = [pair.split(",") for pair in shape.get("points", "").split(";")]
            return regions.polygon(label, [regions.ring(points)])
        if kind == "box":
            left, top, right, bottom = _numbers(shape, "xtl", "ytl", "xbr", "ybr")
            return regions.box(label, left, top, right - left, bottom - top, degrees)
        if kind == "ellipse":
            return regions.ellipse(label, *_numbers(shape, "cx", "cy", "rx", "ry"), degrees)
        if kind == "mask":
            left, top, width, height = map(round, _numbers(shape, "left", "top", "width", "height"))
            if width < 1 or height < 1 or width * height > regions.MOST_PIXELS:
                raise Unusable("a mask of an impossible size")
            runs = [int(run) for run in shape.get("rle", "").split(",")]
            return regions.patch(label, rle.mask(runs, height, width, "C"), left, top)
    except ValueError as error:
        raise Unusable(f"{error if isinstance(error, Unusable) else f'a {kind} with wrong numbers'} "
                       f"(a {label!r})") from None
    raise Unusable(f"a shape of an unknown kind, {line(kind)!r}")


def _numbers(shape, *names):
    return [regions.number(shape.get(name)) for name in names]
