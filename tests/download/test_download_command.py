"""download-isic on the command line: verify, dry run, errors, and each field of its config."""

import json
from collections import namedtuple

import pytest
from download_steps import broken, contents
from isic_stub import jpeg, other_host

from skinlesion.commands import download_isic as command
from skinlesion.config import ArchiveQuery, ChallengeFiles, DownloadConfig
from skinlesion.data.isic.opening import open_downloads
from skinlesion.errors import DataError
from skinlesion.progress import Reporter

pytestmark = pytest.mark.thorough

FIRST = "/images/ISIC_0000000.jpg"


# --- verify -----------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["changed", "missing", "not in the manifest"])
def test_verify_names_what_differs_and_exits_4(download, raw, type_command, what):
    download()
    file = raw / FIRST[1:]
    if what == "changed":
        content = bytearray(file.read_bytes())
        content[-20] ^= 1
        file.write_bytes(content)
    elif what == "missing":
        file.unlink()
    else:
        file = file.with_name("ISIC_9999999.jpg")
        file.write_bytes(b"x")

    shown = type_command("download-isic", "--verify", "--out", "raw")

    assert (shown.code, shown.out) == (4, "")
    assert f"differs: images/{file.name} ({what})" in shown.err
    assert "error: raw: 1 file not as the manifest says" in shown.err


def test_verify_of_an_intact_download_counts_its_files(download, type_command):
    download()

    shown = type_command("download-isic", "--verify", "--out", "raw")

    assert (shown.code, shown.out) == (0, "raw: 11 files as the manifest says\n")


def test_verify_says_when_a_download_is_not_complete(stub, download, type_command):
    broken(stub, 2, status=404)
    download()

    shown = type_command("download-isic", "--verify", "--out", "raw")

    assert shown.out.endswith("as the manifest says; not complete, see raw/failed.csv\n")


@pytest.mark.parametrize("there", [False, True])
def test_verify_of_no_download_exits_3(type_command, raw, there):
    if there:
        raw.mkdir()

    assert type_command("download-isic", "--verify").code == 3


def test_a_manifest_that_leads_out_is_refused(download, raw):
    download()
    with (raw / "manifest.csv").open("a") as file:
        file.write(f"../secret,{'0' * 64},1\n")

    with pytest.raises(DataError, match="leads out of the folder"):
        command.verify(raw, reporter=Reporter(quiet=True))


# --- dry run ----------------------------------------------------------------------------------


def test_a_dry_run_counts_and_writes_nothing(stub, settings, type_command, tmp_path):
    config = tmp_path / "mine.yaml"
    values = {"archive": {}, "challenge": {"years": [2017]}, **settings}
    config.write_text(json.dumps(values))

    text = type_command("download-isic", "--config", config, "--dry-run")
    values = json.loads(
        type_command("download-isic", "--config", config, "--dry-run", "--json").out
    )

    sizes = {n: len(c) for n, c in stub.files.items()}
    archive = sum(size for name, size in sizes.items() if name.startswith("/images/"))
    challenge = sum(size for name, size in sizes.items() if name.startswith("/challenges/"))
    assert values["sources"] == [
        {
            "name": "archive",
            "images": 6,
            "bytes": archive,
            "licences": {"CC-0": 2, "CC-BY": 2, "CC-BY-NC": 2},
            "looked_at": None,
        },
        {
            "name": "isic2017",
            "images": None,
            "bytes": challenge,
            "licences": {"CC-0": None},
            "looked_at": None,
        },
    ]
    assert values["bytes"] == archive + challenge
    assert text.code == 0
    assert "archive: 6 images, " in text.out
    assert "  licences: CC-0 2, CC-BY 2, CC-BY-NC 2\n" in text.out
    assert "nothing was written" in text.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.yaml"]
    assert not stub.fetched("/images/")


@pytest.mark.parametrize("thumbnails", [False, True])
def test_a_dry_run_of_many_pages_looks_at_the_first(stub, make, raw, monkeypatch, thumbnails):
    monkeypatch.setattr("skinlesion.data.isic.from_archive.LOOK_PAGES", 1)

    forecast = command.dry_run(make(thumbnails=thumbnails), raw)

    (source,) = forecast.sources
    variant = "thumbnail_256" if thumbnails else "full"
    sizes = [item["files"][variant]["size"] for item in stub.items.values()]
    expected = round(sum(sizes[:4]) / 4 * 6) if thumbnails else sum(sizes)
    assert (source.images, source.bytes, source.looked_at) == (6, expected, 4)
    assert "archive: about 6 images, about " in forecast.to_text()
    assert "among the first 4" in forecast.to_text()


def test_a_dry_run_says_when_the_disk_is_too_small(make, raw, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(command.shutil, "disk_usage", lambda _: usage(1, 1, 1000))

    assert "1.0 kB free on the disk: too little room" in command.dry_run(make(), raw).to_text()


# --- the command line -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "there is nothing to download"),
        (["--query", "benign_malignant:malignant"], "no longer has the field benign_malignant"),
        (["--query", "sex:male AND diagnosis:melanoma"], "use diagnosis_1 (Benign, Indeterminate"),
        (["--query", "diagnosis_1:malignant"], "not 'malignant'"),
        (["--challenge", "2015"], "challenge.years.0"),
        (["--challenge", "2017", "--limit", "5"], "limit is for an archive query"),
        (["--challenge", "2017", "--thumbnails"], "thumbnails is for an archive query"),
        (["--challenge", "2018", "--licence", "CC-0"], "ISIC 2018 is under CC-BY-NC"),
        (["--query", "a:b", "--licence", "GPL"], "licences.0"),
        (["--query", "a:b", "--set", "connections=9"], "connections"),
        (["--query", "a:b", "--set", "api_url=http://api.isic-archive.com/"], "should be https"),
        (["--query", "a:b", "--set", "api_url=https://api.isic-archive.com"], "slash at the end"),
        (["--query", "a:b", "--set", "hosts=[https://a.example/]"], "hosts.0"),
        (["--query", "a:b", "--json"], "--json is for --dry-run"),
    ],
)
def test_a_wrong_command_line_exits_2_and_makes_nothing(type_command, tmp_path, words, problem):
    shown = type_command("download-isic", *words)

    assert (shown.code, shown.out) == (2, "")
    assert problem in shown.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "query",
    [
        "",
        "diagnosis_1:Malignant AND age_approx:[20 TO 40]",
        'diagnosis_3:"diagnosis: unclear"',
        'diagnosis_1:"Indeterminate"',
        "(diagnosis_1:Benign OR diagnosis_1:M*)",
        "diagnosis_confirm_type:histopathology",
    ],
)
def test_queries_of_today_are_let_through(query):
    assert ArchiveQuery(query=query).query == query


def test_options_are_short_for_the_config(type_command, stub, settings, raw, tmp_path):
    config = tmp_path / "mine.yaml"
    config.write_text(json.dumps(settings))
    words = ["--query", "image_type:dermoscopic", "--licence", "CC-0", "CC-BY", "--limit", "3"]

    shown = type_command("download-isic", "--config", config, *words, "--thumbnails")

    assert shown.code == 0, shown.err
    assert shown.out.startswith("raw: 3 images, 3 of them new\n")
    assert "licences: CC-0 2, CC-BY 1" in shown.out
    assert "left out by licences: CC-BY-NC 1" in shown.out
    assert (raw / FIRST[1:]).read_bytes() == stub.files["/thumbnails/ISIC_0000000_thumbnail.jpg"]
    told = shown.err.splitlines()
    assert told[0].startswith("archive: listing: 4 entries in ")
    assert told[1].startswith("archive: ")
    assert told[1].endswith("/s  3 of 3 images")


# --- each field -------------------------------------------------------------------------------

FIELDS = {
    "archive.query": {"archive": {"query": "diagnosis_1:Malignant"}},
    "archive.collections": {"archive": {"collections": [70]}},
    "challenge.years": {"challenge": {"years": [2016]}},
    "challenge.splits": {"challenge": {"years": [2017], "splits": ["val"]}},
    "licences": {"licences": ["CC-0"]},
    "limit": {"limit": 2},
    "thumbnails": {"thumbnails": True},
    "max_pixels": {"max_pixels": 4096},
    "hosts": {"hosts": ["127.0.0.1:1"]},
}
OTHER_TESTS = {
    "connections": "test_download_archive.test_at_most_so_many_connections_are_open",
    "retries": "test_isic_client.test_after_the_retries_it_gives_up_and_says_how_often_it_tried",
    "backoff_seconds": "test_isic_client.test_a_busy_server_is_asked_again_later_and_later",
    "timeout_seconds": "test_isic_client.test_a_silent_server_is_not_waited_for",
    "api_url": "every test here: the stub is asked",
    "challenge_url": "every test here: the stub is asked",
}


def fields_of(schema, prefix=""):
    for name in schema.model_fields:
        inner = {"archive": ArchiveQuery, "challenge": ChallengeFiles}.get(name)
        if inner:
            yield from fields_of(inner, f"{name}.")
        else:
            yield prefix + name


def test_every_field_has_a_case():
    assert {*FIELDS, *OTHER_TESTS} == set(fields_of(DownloadConfig))


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_changes_what_lands_on_the_disk(stub, make, download, raw, tmp_path, field):
    big = jpeg(9, width=300, height=200)
    stub.files[FIRST], stub.items["ISIC_0000000"]["files"]["full"]["size"] = big, len(big)
    with other_host() as other:
        elsewhere = stub.items["ISIC_0000005"]["files"]["full"]
        other.files["/elsewhere.jpg"] = stub.files["/images/ISIC_0000005.jpg"]
        elsewhere["url"] = f"{other.url}elsewhere.jpg"
        base, changes = {"hosts": [other.host]}, dict(FIELDS[field])
        if field.startswith("challenge."):
            stub.add_challenge(2016)
            base |= {"archive": None, "challenge": {"years": [2017]}}
        download(**base)
        download("changed", **{**base, **changes})

    assert contents(raw) != contents(tmp_path / "changed")


@pytest.mark.parametrize("name", ["retries", "backoff_seconds", "timeout_seconds"])
def test_what_the_client_is_told_comes_from_the_config(make, name):
    with open_downloads(make(**{name: 7})) as (source,):
        assert getattr(source.archive.client, name) == 7
