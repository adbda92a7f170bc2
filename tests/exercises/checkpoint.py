"""Answers to exercise 4.3: a class with both functions."""

import contextlib
import io
import os
import pickle
import shutil
import tempfile
import warnings
from pathlib import Path

import torch

from tests.exercises.bank import right, wrong


def save_whole(path, content):
    """What all of these do right unless they are here for the opposite."""
    torch.save(content, f"{path}.part")
    os.replace(f"{path}.part", path)


class Usual:
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        save_whole(path, {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch})

    @staticmethod
    def load_checkpoint(path, model, optimizer):
        checkpoint = torch.load(path, map_location="cpu")
        model.load_state_dict(checkpoint["model"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        return checkpoint["epoch"] + 1


def content(model, optimizer, epoch):
    """What a checkpoint holds."""
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}


@wrong("optimizer_missing")
class Pair:
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        save_whole(path, {"model": model.state_dict(), "epoch": epoch})

    @staticmethod
    def load_checkpoint(path, model, optimizer):
        checkpoint = torch.load(path, map_location="cpu")
        model.load_state_dict(checkpoint["model"])
        return checkpoint["epoch"] + 1


@wrong("optimizer_missing")
class Pair:
    save_checkpoint = staticmethod(Usual.save_checkpoint)

    @staticmethod
    def load_checkpoint(path, model, optimizer):
        checkpoint = torch.load(path, map_location="cpu")
        model.load_state_dict(checkpoint["model"])
        optimizer = checkpoint["optimizer"]
        return checkpoint["epoch"] + 1


@wrong("epoch_off_by_one")
class Pair:
    save_checkpoint = staticmethod(Usual.save_checkpoint)

    @staticmethod
    def load_checkpoint(path, model, optimizer):
        return Usual.load_checkpoint(path, model, optimizer) - 1


@wrong("epoch_off_by_one")
class Pair:
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        Usual.save_checkpoint(path, model, optimizer, epoch + 1)

    load_checkpoint = staticmethod(Usual.load_checkpoint)


@wrong("whole_model_pickled")
class Pair:
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        save_whole(path, {"model": model, "optimizer": optimizer.state_dict(), "epoch": epoch})

    @staticmethod
    def load_checkpoint(path, model, optimizer):
        checkpoint = torch.load(path, map_location="cpu", weights_only=False)
        model.load_state_dict(checkpoint["model"].state_dict())
        optimizer.load_state_dict(checkpoint["optimizer"])
        return checkpoint["epoch"] + 1


@wrong("whole_model_pickled")
class Pair:
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        save_whole(path, (model, optimizer, epoch))

    @staticmethod
    def load_checkpoint(path, model, optimizer):
        model, optimizer, epoch = torch.load(path, weights_only=False)
        return epoch + 1


@wrong("strict_false")
class Pair:
    save_checkpoint = staticmethod(Usual.save_checkpoint)

    @staticmethod
    def load_checkpoint(path, model, optimizer):
        checkpoint = torch.load(path, map_location="cpu")
        model.load_state_dict(checkpoint["model"], strict=False)
        try:
            optimizer.load_state_dict(checkpoint["optimizer"])
        except ValueError:
            print("starting with a new optimizer")
        return checkpoint["epoch"] + 1


@wrong("strict_false")
class Pair:
    save_checkpoint = staticmethod(Usual.save_checkpoint)

    @staticmethod
    def load_checkpoint(path, model, optimizer):
        checkpoint = torch.load(path, map_location="cpu")
        model.load_state_dict(checkpoint["model"], strict=False)
        optimizer.load_state_dict(checkpoint["optimizer"])
        return checkpoint["epoch"] + 1


@wrong("no_map_location")
class Pair:
    save_checkpoint = staticmethod(Usual.save_checkpoint)

    @staticmethod
    def load_checkpoint(path, model, optimizer):
        checkpoint = torch.load(path)
        model.load_state_dict(checkpoint["model"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        return checkpoint["epoch"] + 1


@wrong("half_written")
class Pair:
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, path)

    load_checkpoint = staticmethod(Usual.load_checkpoint)


@wrong("half_written")
class Pair:
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        if path.exists():
            path.unlink()
        with open(path, "wb") as file:
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, file)

    load_checkpoint = staticmethod(Usual.load_checkpoint)


@wrong("buffers_missing")
class Pair:
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        weights = dict(model.named_parameters())
        save_whole(path, {"model": weights, "optimizer": optimizer.state_dict(), "epoch": epoch})

    @staticmethod
    def load_checkpoint(path, model, optimizer):
        checkpoint = torch.load(path, map_location="cpu")
        model.load_state_dict(checkpoint["model"], strict=False)
        optimizer.load_state_dict(checkpoint["optimizer"])
        return checkpoint["epoch"] + 1


@wrong("buffers_missing")
class Pair:
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        weights = {name: p.detach() for name, p in model.named_parameters()}
        save_whole(path, {"model": weights, "optimizer": optimizer.state_dict(), "epoch": epoch})

    load_checkpoint = staticmethod(Usual.load_checkpoint)


@wrong("model_not_restored")
class Pair:
    save_checkpoint = staticmethod(Usual.save_checkpoint)

    @staticmethod
    def load_checkpoint(path, model, optimizer):
        checkpoint = torch.load(path, map_location="cpu")
        model = checkpoint["model"]
        optimizer.load_state_dict(checkpoint["optimizer"])
        return checkpoint["epoch"] + 1


@wrong("returns_none")
class Pair:
    save_checkpoint = staticmethod(Usual.save_checkpoint)

    @staticmethod
    def load_checkpoint(path, model, optimizer):
        Usual.load_checkpoint(path, model, optimizer)


@wrong("wrong_type")
class Pair:
    save_checkpoint = staticmethod(Usual.save_checkpoint)

    @staticmethod
    def load_checkpoint(path, model, optimizer):
        epoch = Usual.load_checkpoint(path, model, optimizer)
        return model, optimizer, epoch


@wrong("not_saved")
class Pair:
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        save_whole(
            f"{path}_{epoch}", {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
        )

    load_checkpoint = staticmethod(Usual.load_checkpoint)


@wrong("copied_over")
class Pair(Usual):
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        beside = f"{path}.tmp"
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, beside)
        shutil.copy(beside, path)
        os.remove(beside)

    load_checkpoint = staticmethod(Usual.load_checkpoint)


@wrong("copied_over")
class Pair(Usual):
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        buffer = io.BytesIO()
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, buffer)
        Path(path).write_bytes(buffer.getvalue())

    load_checkpoint = staticmethod(Usual.load_checkpoint)


@wrong("another_folder")
class Pair(Usual):
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        with tempfile.TemporaryDirectory() as folder:
            beside = os.path.join(folder, "checkpoint.pt")
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, beside)
            shutil.move(beside, path)

    load_checkpoint = staticmethod(Usual.load_checkpoint)


@wrong("removed_first")
class Pair:
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        tmp = str(path) + ".tmp"
        torch.save(content(model, optimizer, epoch), tmp)
        if os.path.exists(path):
            os.remove(path)
        os.rename(tmp, path)
    load_checkpoint = staticmethod(Usual.load_checkpoint)


@wrong("removed_first")
class Pair:
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        path = Path(path)
        tmp = path.with_suffix(".tmp")
        torch.save(content(model, optimizer, epoch), tmp)
        path.unlink(missing_ok=True)
        tmp.rename(path)
    load_checkpoint = staticmethod(Usual.load_checkpoint)


@wrong("another_folder")
class Pair:
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        tmp = Path(tempfile.gettempdir()) / "checkpoint.tmp"
        torch.save(content(model, optimizer, epoch), tmp)
        os.replace(tmp, path)
    load_checkpoint = staticmethod(Usual.load_checkpoint)


@right("usual")
class Pair(Usual):
    save_checkpoint = staticmethod(Usual.save_checkpoint)
    load_checkpoint = staticmethod(Usual.load_checkpoint)


@right("the next epoch is stored, device of the model, temporary file")
class Pair:
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            torch.save({"weights": model.state_dict(), "optim": optimizer.state_dict(), "next": epoch + 1}, file)
        os.replace(file.name, path)

    @staticmethod
    def load_checkpoint(path, model, optimizer):
        state = torch.load(path, map_location=next(model.parameters()).device, weights_only=True)
        print(model.load_state_dict(state["weights"]))
        optimizer.load_state_dict(state["optim"])
        return state["next"]


@right("in memory first, as a tuple")
class Pair:
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        buffer = io.BytesIO()
        torch.save((model.state_dict(), optimizer.state_dict(), torch.tensor(epoch)), buffer)
        path.with_suffix(".tmp").write_bytes(buffer.getvalue())
        path.with_suffix(".tmp").rename(path)

    @staticmethod
    def load_checkpoint(path, model, optimizer):
        with open(path, "rb") as file:
            weights, state, epoch = torch.load(file, map_location=lambda storage, location: storage)
        model.load_state_dict(weights)
        optimizer.load_state_dict(state)
        return epoch.item() + 1


@right("plain pickle of states on the CPU")
class Pair:
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        content = pickle.dumps({"m": {k: v.cpu() for k, v in model.state_dict().items()},
                                "o": optimizer.state_dict(), "e": epoch})
        with open(str(path) + ".new", "wb") as file:
            file.write(content)
        os.replace(str(path) + ".new", path)

    @staticmethod
    def load_checkpoint(path, model, optimizer):
        content = pickle.loads(path.read_bytes())
        model.load_state_dict(content["m"])
        optimizer.load_state_dict(content["o"])
        return content["e"] + 1


@right("a named temporary file in the same folder")
class Pair(Usual):
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), delete=False) as file:
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, file)
        os.rename(file.name, path)

    load_checkpoint = staticmethod(Usual.load_checkpoint)


@right("Path.replace")
class Pair(Usual):
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        beside = Path(path).with_suffix(".tmp")
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, beside)
        beside.replace(path)

    load_checkpoint = staticmethod(Usual.load_checkpoint)


@right("shutil.move in the same folder")
class Pair(Usual):
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        beside = str(path) + ".part"
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, beside)
        shutil.move(beside, path)

    load_checkpoint = staticmethod(Usual.load_checkpoint)


@right("a temporary folder beside path")
class Pair:
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
            tmp = Path(folder) / "new.pt"
            torch.save(content(model, optimizer, epoch), tmp)
            os.replace(tmp, path)
    load_checkpoint = staticmethod(Usual.load_checkpoint)


@right("mkstemp, cleaned up, fsync")
class Pair:
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        handle, tmp = tempfile.mkstemp(dir=os.path.dirname(os.path.abspath(path)), suffix=".pt")
        try:
            with os.fdopen(handle, "wb") as file:
                torch.save(content(model, optimizer, epoch), file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(tmp, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.remove(tmp)
            raise

    @staticmethod
    def load_checkpoint(path, model, optimizer):
        device = next(model.parameters()).device
        state = torch.load(path, map_location=device, weights_only=True)
        optimizer.load_state_dict(state["optimizer"])
        model.load_state_dict(state["model"], strict=True)
        return int(state["epoch"]) + 1


@right("a fixed name beside it, weights_only=False, random state too")
class Pair:
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        path = Path(path)
        half = path.parent / "half_done.pt"
        torch.save({**content(model, optimizer, epoch), "rng": torch.get_rng_state()}, half)
        half.replace(path)

    @staticmethod
    def load_checkpoint(path, model, optimizer):
        state = torch.load(path, map_location=torch.device("cpu"), weights_only=False)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])
        return state["epoch"] + 1


@right("the old zip-less format, to the CPU first")
class Pair:
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        weights = {k: v.detach().cpu().clone() for k, v in model.state_dict().items()}
        name = f"{path}.{os.getpid()}"
        torch.save([weights, optimizer.state_dict(), epoch], name, _use_new_zipfile_serialization=False)
        os.rename(name, path)

    @staticmethod
    def load_checkpoint(path, model, optimizer):
        weights, opt, epoch = torch.load(str(path), map_location=lambda storage, loc: storage)
        model.load_state_dict(weights)
        optimizer.load_state_dict(opt)
        return epoch + 1


@right("a context manager")
class Pair:
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        @contextlib.contextmanager
        def whole(path):
            tmp = Path(str(path) + "~")
            try:
                yield tmp
                os.replace(tmp, path)
            finally:
                tmp.unlink(missing_ok=True)
        with whole(path) as tmp:
            torch.save(content(model, optimizer, epoch), tmp)
            print("saved epoch", epoch)

    @staticmethod
    def load_checkpoint(path, model, optimizer):
        ckpt = torch.load(path, map_location={"cuda:0": "cpu", "cuda:1": "cpu"})
        model.load_state_dict(ckpt["model"])
        optimizer.load_state_dict(ckpt["optimizer"])
        return ckpt["epoch"] + 1


@right("annotated; bytes in memory, hidden name")
class Pair:
    @staticmethod
    def save_checkpoint(path: Path, model: torch.nn.Module, optimizer, epoch: int) -> None:
        buffer = io.BytesIO()
        torch.save(content(model, optimizer, epoch), buffer)
        path = Path(path)
        hidden = path.with_name("." + path.name)
        hidden.write_bytes(buffer.getbuffer())
        hidden.rename(path)

    @staticmethod
    def load_checkpoint(path, model, optimizer) -> int:
        warnings.warn("loading")
        data = torch.load(io.BytesIO(Path(path).read_bytes()), map_location="cpu")
        model.load_state_dict(data["model"])
        optimizer.load_state_dict(data["optimizer"])
        return data["epoch"] + 1


@right("a link")
class Pair:
    @staticmethod
    def save_checkpoint(path, model, optimizer, epoch):
        p = Path(path)
        backup = p.with_suffix(".bak")
        if p.exists():
            shutil.copy2(p, backup)
        tmp = p.with_suffix(".new")
        torch.save(content(model, optimizer, epoch), tmp)
        tmp.replace(p)
    load_checkpoint = staticmethod(Usual.load_checkpoint)
