"""From a config to the downloads it names, which share their connections."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from skinlesion.config import DownloadConfig
from skinlesion.data.isic.archive import Archive
from skinlesion.data.isic.challenges import CHALLENGES
from skinlesion.data.isic.client import Client
from skinlesion.data.isic.from_archive import ArchiveDownload
from skinlesion.data.isic.from_challenge import ChallengeDownload
from skinlesion.data.isic.outcome import Download
from skinlesion.data.isic.urls import host_of
from skinlesion.errors import ConfigError
from skinlesion.offline import VARIABLE, is_offline


@contextlib.contextmanager
def open_downloads(config: DownloadConfig) -> Iterator[list[Download]]:
    """The sources of ``config``; what they wait for is called off at the end.

    Raises:
        ConfigError: If there is none, a licence is not allowed, or the network is forbidden.
    """
    if config.archive is None and config.challenge is None:
        raise ConfigError(
            "there is nothing to download",
            expected="archive: {query: ...} or challenge: {years: [...]} in the config",
            fix="pass --config download-isic.yaml, --query TEXT or --challenge 2017",
        )
    if is_offline():
        raise ConfigError(
            f"download-isic needs the network, which {VARIABLE} or --offline forbids",
            fix="leave it out, or preprocess images that are on the disk",
        )
    client = Client(
        [host_of(config.api_url), host_of(config.challenge_url), *config.hosts],
        connections=config.connections,
        retries=config.retries,
        backoff_seconds=config.backoff_seconds,
        timeout_seconds=config.timeout_seconds,
    )
    try:
        yield _sources(config, client)
    finally:
        client.stop()
        client.close()


def _sources(config: DownloadConfig, client: Client) -> list[Download]:
    archive = Archive(
        client,
        config.api_url,
        query=config.archive.query if config.archive else "",
        collections=config.archive.collections if config.archive else (),
        variant="thumbnail_256" if config.thumbnails else "full",
    )
    sources: list[Download] = []
    if config.archive:
        sources.append(
            ArchiveDownload(
                archive, config.licences, config.limit, config.max_pixels, config.connections
            )
        )
    for year in sorted(set(config.challenge.years)) if config.challenge else ():
        _refuse_licence(year, config.licences)
        splits = config.challenge.splits if config.challenge else ()
        sources.append(
            ChallengeDownload(
                client,
                config.challenge_url,
                archive,
                year,
                splits,
                config.max_pixels,
                config.connections,
            )
        )
    return sources


def _refuse_licence(year: int, licences: Sequence[str]) -> None:
    licence = CHALLENGES[year].licence
    if licences and licence not in licences:
        raise ConfigError(
            f"ISIC {year} is under {licence}, which licences does not allow",
            expected=f"a year under {', '.join(licences)}",
            fix="leave the year out, or add its licence",
        )
