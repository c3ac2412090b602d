"""Zips of strangers: what is safe is unpacked, anything else is refused whole."""

import io
import stat
import struct
import zipfile

import pytest
from isic_stub import zip_of

from skinlesion.data.isic import unzip
from skinlesion.data.isic.unzip import open_zip, unpack, wanted
from skinlesion.errors import DataError

pytestmark = pytest.mark.thorough


@pytest.fixture
def written(tmp_path):
    """Write bytes as ``x.zip``."""

    def write(content):
        path = tmp_path / "x.zip"
        path.write_bytes(content)
        return path

    return write


def with_link(name):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    return buffer.getvalue()


def with_duplicates(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, name in enumerate(names):
            info = zipfile.ZipInfo(f"{number}" + name[1:])
            archive.writestr(info, name)
            info.filename = name  # what the directory at the end says
    return buffer.getvalue()


def refused(path):
    with pytest.raises(DataError, match="nothing of it was unpacked") as caught, open_zip(path):
        pass
    return "; ".join(caught.value.which)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("../x.jpg", "leads out"),
        ("a/../../x.jpg", "leads out"),
        ("a/..", "leads out"),
        ("/etc/x.jpg", "absolute"),
        ("C:/x.jpg", "absolute"),
        ("C:x.jpg", "absolute"),
        ("\\\\server\\x.jpg", "absolute"),
        ("a\\..\\x.jpg", "a character that is not allowed"),
        ("a/x.jpg:stream", "a character that is not allowed"),
        ("a/\x1b[2Jx.jpg", "a character that is not allowed"),
        (".", "leads out"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(written, name, problem):
    path = written(zip_of({"good.jpg": b"x", name: b"x"}))

    assert refused(path).endswith(f"({problem})")


def test_a_null_byte_hides_nothing(written):
    content = zip_of({"good.jpgX.exe": b"x"}).replace(b"good.jpgX.exe", b"good.jpg\0.exe")

    assert "a character that is not allowed" in refused(written(content))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(written, kind, monkeypatch):
    monkeypatch.setattr(stat, "S_IFLNK", kind)
    path = written(with_link("link.jpg"))
    monkeypatch.undo()

    assert refused(path) == f"link.jpg ({'a link' if kind == stat.S_IFLNK else 'not a file'})"


@pytest.mark.parametrize(
    "names", [("a.jpg", "a.jpg"), ("a.jpg", "A.JPG"), ("é.jpg", "e\u0301.jpg"), ("a", "a/")]
)
def test_two_members_of_one_name_are_refused(written, names):
    assert "(twice)" in refused(written(with_duplicates(*names)))


def test_one_file_name_in_two_folders_is_refused(written):
    path = written(zip_of({"a/x.jpg": b"1", "b/x.jpg": b"2"}))

    with open_zip(path) as archive, pytest.raises(DataError, match="two files of one name"):
        wanted(archive)


def test_a_bomb_is_refused_before_it_goes_off(written):
    bomb = zip_of({"x.csv": bytes(3 * 2**20)}, compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 10_000

    assert "x.csv (packed like a bomb)" in refused(written(bomb))


def test_many_members_that_share_their_bytes_are_a_bomb(written):
    # As in Fifield's zip: each member is modest, all of them lie over each other.
    one = zip_of({"0.jpg": bytes(2**20)})
    directory = one.rindex(b"PK\x01\x02")
    entry, tail = one[directory : one.rindex(b"PK\x05\x06")], one[one.rindex(b"PK\x05\x06") :]
    number = 150
    entries = b"".join(entry.replace(b"0.jpg", b"%05d" % n) for n in range(number))
    tail = tail[:8] + struct.pack("<HHI", number, number, len(entries)) + tail[16:]

    assert "bytes unpacked from" in refused(written(one[:directory] + entries + tail))


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [("MAX_MEMBERS", 1, "2 members"), ("MAX_UNPACKED_BYTES", 7, "8 bytes unpacked")],
)
def test_number_and_size_are_limited(written, monkeypatch, limit, value, words):
    monkeypatch.setattr(unzip, limit, value)

    assert refused(written(zip_of({"a.jpg": b"1234", "b.jpg": b"5678"}))) == words


def test_an_encrypted_member_is_refused(written):
    content = bytearray(zip_of({"a.jpg": b"x"}))
    content[content.index(b"PK\x01\x02") + 8] |= 1

    assert refused(written(bytes(content))) == "a.jpg (encrypted)"


CUT_SHORT = zip_of({"a": b"x"})[:-5]


@pytest.mark.parametrize("content", [b"", b"<html>", CUT_SHORT], ids=["empty", "html", "cut short"])
def test_what_is_no_zip_is_refused(written, content):
    with pytest.raises(DataError, match="is not a readable zip"), open_zip(written(content)):
        pass


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_that_was_changed_on_its_way_is_refused(written, tmp_path, method):
    content = zip_of({"a.jpg": b"a lesion of so many bytes" * 20}, compression=method)
    start = content.index(b"a.jpg") + 5
    broken = content[:start] + bytes(8) + content[start + 8 :]

    with open_zip(written(broken)) as archive, pytest.raises(DataError, match="broken in its zip"):
        unpack(archive, archive.infolist()[0], tmp_path / "a.jpg")


def test_images_and_tables_are_wanted_and_nothing_else(written, tmp_path):
    path = written(
        zip_of(
            {
                "top/": b"",
                "top/b.JPG": b"b",
                "top/a.jpeg": b"a",
                "top/a_superpixels.png": b"x",
                "top/meta.csv": b"c",
                "top/LICENSE.txt": b"l",
                "top/.DS_Store": b"x",
                "top/._a.jpg": b"x",
                "__MACOSX/top/c.jpg": b"x",
            }
        )
    )

    with open_zip(path) as archive:
        members, others = wanted(archive)
        unpack(archive, members["b.JPG"], tmp_path / "out")

    assert list(members) == ["LICENSE.txt", "a.jpeg", "b.JPG", "meta.csv"]
    assert len(others) == 4
    assert (tmp_path / "out").read_bytes() == b"b"
