"""All annotations of a folder, whatever programs wrote them."""

from tqdm import tqdm

from helpers.settings import SettingsError
from tools.annotations import coco, cvat, label_studio, labelme, masks, tables
from tools.annotations.regions import Skip, Unusable

OF_JSON = {"labelme": labelme, "COCO": coco, "Label Studio": label_studio}
FORMATS = "labelme, COCO, CVAT for images 1.1, Label Studio, or masks beside their photographs"


def samples(folder, table=None, names=()):
    """The Samples of a Folder, its Skips, and the names of the formats that were found.

    `table` (names to colours) and `names` (of the indices 0, 1, ...) are for masks, which are looked for where no
    program's file is. SettingsError, one line, if there is nothing to read.
    """
    found, skips, formats = [], [Skip(name, reason) for name, reason in folder.aside.items()], {}
    unknown = []
    for path in tqdm(folder.texts, desc="reading", unit="file", leave=False, delay=1):
        try:
            name, reader, document = recognised(path, folder)
        except Unusable as error:
            skips.append(Skip(folder.name(path), str(error)))
            continue
        if reader is None:
            unknown.append(path)
            continue
        formats[name] = None
        for one in reader.read(path, document, folder):
            (skips if isinstance(one, Skip) else found).append(one)
    if not formats:
        table = table if table is not None else _table_in(folder, unknown)
        try:
            for one in masks.read(folder, table, names):
                (skips if isinstance(one, Skip) else found).append(one)
        except Unusable as error:
            raise SettingsError(f"FOLDER: expected {error}") from None
        if found:
            formats["masks"] = None
    skips += [Skip(folder.name(path), "no annotations of a kind that is known") for path in unknown
              if path.suffix.lower() in (".json", ".xml")]
    return found, skips, list(formats), table


def recognised(path, folder):
    """The name of the format that a file has, its module, and the parsed file; None where it has none of ours."""
    kind = path.suffix.lower()
    if kind == ".json":
        document = folder.json(path)
        for name, module in OF_JSON.items():
            if module.is_mine(document):
                return name, module, document
    elif kind == ".xml":
        root = cvat.parse(folder.bytes(path))
        if cvat.is_mine(root):
            return "CVAT", cvat, root
    return None, None, None


def _table_in(folder, texts):
    """The colour table that lies in the folder under a name that programs give it, or {}."""
    for name in tables.KNOWN:
        for path in texts:
            if path.name.lower() == name:
                try:
                    return tables.colours(folder.bytes(path).decode("utf-8-sig"), folder.name(path))
                except (SettingsError, UnicodeDecodeError):
                    continue
    return {}
