import io

from PIL import Image

from celltransfer_core.studies import export_path, start_preparation


def png(shade=0, side=16):
    """A small image of one colour, as a file."""
    file = io.BytesIO()
    Image.new("RGB", (side, side), (shade, 100, 200 - shade)).save(file, "PNG")
    return file.getvalue()


def files_below(folder):
    """Images of a folder as a study receives them: name and bytes."""
    return [
        (p.relative_to(folder).as_posix(), p.read_bytes()) for p in sorted(folder.rglob("*.png"))
    ]


def prepared(space, study, name="images", text="zip"):
    """A file for download that holds this text."""
    path = export_path(space, study, name, ".zip", text)

    def write(target, progress):
        progress("images", 1, 1)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    start_preparation(path, write).result()
    return path
