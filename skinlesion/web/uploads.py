"""Pictures out of a multipart request: kept in memory, refused while they stream in."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from skinlesion.data.images import ImageBytes, stored_size
from skinlesion.errors import DataError
from skinlesion.web.limits import MIB, Limits
from skinlesion.web.refusals import Refusal

FIELD = b"files"
LONGEST_NAME = 200


async def read_images(
    request: Request, limits: Limits, take: Callable[[int], None], *, most: int
) -> list[ImageBytes]:
    """The files of a multipart form's field ``files``, in order.

    Not Starlette's own form, which spools files to disk: here nothing leaves memory.

    Args:
        request: Whose body is not read yet.
        limits: Beyond which it is not read on.
        take: Told of each byte before it is kept.
        most: Files.

    Raises:
        Refusal: If it is no such form, it is cut short, too slow, or beyond a limit.
    """
    parts = _Parts(limits, most)
    parser = MultipartParser(_boundary(request), parts.callbacks())  # type: ignore[arg-type]
    _refuse_length(request, limits)
    received = 0
    try:
        async with asyncio.timeout(limits.upload_seconds):
            async for chunk in request.stream():
                received += len(chunk)
                if received > limits.request_bytes:
                    raise _too_large(limits)
                take(len(chunk))
                parser.write(chunk)
    except TimeoutError:
        raise Refusal(
            408,
            "too_slow",
            "the upload did not arrive in time",
            expected=f"all of it within {limits.upload_seconds:g} s",
        ) from None
    except FormParserError as error:
        raise _malformed(str(error)) from error
    if not parts.is_whole:
        raise _malformed("it is cut short")
    if not parts.files:
        raise Refusal(
            400,
            "no_file",
            "the form holds no file",
            expected=f"files in the field {FIELD.decode()}",
        )
    return [ImageBytes(name, file.getvalue()) for name, file in parts.files]


def refuse_pixels(image: ImageBytes, limits: Limits) -> str | None:
    """Why the picture's header forbids decoding it; None: it may be tried."""
    try:
        width, height = stored_size(image)
    except DataError as error:
        return error.what
    if width * height > limits.pixels:
        return f"{image} has {width} x {height} pixels, more than {limits.pixels:,}"
    return None


class _Parts:
    """What the parser calls as it finds parts.

    Attributes:
        files: Name and content of each so far.
        is_whole: Whether the form's end was seen.
    """

    def __init__(self, limits: Limits, most: int) -> None:
        self.files: list[tuple[str, io.BytesIO]] = []
        self.is_whole = False
        self._limits, self._most = limits, most
        self._field, self._value, self._disposition = b"", b"", b""

    def callbacks(self) -> dict[str, Callable[..., None]]:
        """By the parser's names."""
        return {
            "on_part_begin": self._begin,
            "on_header_begin": self._header_begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._disposition = b""
        if len(self.files) >= self._most:
            raise Refusal(
                413,
                "too_many_files",
                "the request holds too many files",
                expected=f"at most {self._most} in a request",
            )

    def _header_begin(self) -> None:
        self._field, self._value = b"", b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition.decode("latin-1"))
        if options.get(b"name") != FIELD or b"filename" not in options:
            raise Refusal(
                400,
                "unexpected_field",
                "a part of the form is no file of the field files",
                expected="files only; options go into the address, as ?threshold=NAME",
            )
        self.files.append((_plain(options[b"filename"], len(self.files)), io.BytesIO()))

    def _data(self, data: bytes, start: int, end: int) -> None:
        name, file = self.files[-1]
        if file.tell() + end - start > self._limits.file_bytes:
            raise Refusal(
                413,
                "file_too_large",
                f"{name} is too large",
                expected=f"at most {self._limits.file_bytes / MIB:g} MiB a file",
            )
        file.write(data[start:end])

    def _end(self) -> None:
        self.is_whole = True


def _plain(filename: bytes, number: int) -> str:
    """The last part of the path, without what a terminal would obey."""
    name = filename.decode("utf-8", errors="replace").replace("\\", "/").rpartition("/")[2]
    kept = "".join(letter for letter in name if letter.isprintable())[:LONGEST_NAME]
    return kept or f"picture-{number + 1}"


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        raise Refusal(
            415,
            "not_a_form",
            "the request is no form with files",
            expected="Content-Type: multipart/form-data, as curl -F files=@lesion.jpg sends it",
        )
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:
        raise _malformed("its boundary is missing or too long")
    return boundary


def _refuse_length(request: Request, limits: Limits) -> None:
    """Before anything is read, if the client says how much comes."""
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > limits.request_bytes:
        raise _too_large(limits)


def _too_large(limits: Limits) -> Refusal:
    return Refusal(
        413,
        "request_too_large",
        "the request is too large",
        expected=f"at most {limits.request_bytes / MIB:g} MiB in all",
    )


def _malformed(why: str) -> Refusal:
    return Refusal(400, "malformed", f"the form cannot be read: {why}")
