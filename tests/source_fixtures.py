"""Small folders in the layouts that sources come in."""

from pathlib import Path


def touch(root: Path, *names: str) -> Path:
    """Files with those names; readers never look inside."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def table(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def csv_file(path: Path, *rows: str) -> Path:
    return table(path, "\n".join(rows) + "\n")


def facts(source, *fields):
    """Those fields of each record, by image_id."""
    return {
        record.image_id: tuple(getattr(record, field) for field in fields)
        for record in source.records
    }
