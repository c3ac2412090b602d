"""What several download tests do: look into folders, break files, interrupt."""

import csv


def contents(folder):
    """Every file by its relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def table(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def broken(stub, number, **answer):
    """Let the file of one image go wrong, as often as it is asked for."""
    stub.fault(f"/images/ISIC_{number:07}.jpg", always=True, **answer)


def one_after_the_other(work, things, *, threads):
    for thing in things:
        work(thing)
        yield thing, None


def interrupted(*_, **__):
    raise KeyboardInterrupt
