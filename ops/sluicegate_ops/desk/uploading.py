"""A file that a browser uploads, streamed to disk: its size and its form's fields are bounded."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import IO, Any

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from sluicegate.private import private_file

_MOST_FIELD_BYTES = 4_096
_MOST_FIELDS = 20
_WRITE_BYTES = 1_048_576

WritePiece = Callable[[Callable[[bytes], object], bytes], Awaitable[object]]
"""Calls what writes a piece, beside the loop."""


class BadUpload(ValueError):
    """What was sent is no form with one file; the text says what is wrong with it."""


class UploadedFile:
    """Takes a form: its fields first, then one file, which goes to ``path`` as it comes.

    ``begin`` is called once the file begins, with the fields before it: it raises what refuses
    them, before a byte is written.
    """

    def __init__(
        self,
        content_type: str,
        path: Path,
        most_bytes: int,
        begin: Callable[[dict[str, str]], None],
    ) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise BadUpload("this is no form with a file")
        callbacks: Any = {
            "on_part_begin": self._part,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers,
            "on_part_data": self._data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }
        self._parser = MultipartParser(boundary, callbacks)
        self._path, self._most, self._begin = path, most_bytes, begin
        self.fields: dict[str, str] = {}
        self.name, self.size_bytes = "", 0
        self._out: IO[bytes] | None = None
        self._piece, self._field, self._text = bytearray(), "", bytearray()
        self._header, self._value, self._said = b"", b"", b""
        self._in_file = self._done = False

    async def take(self, stream: AsyncIterator[bytes], write: WritePiece) -> None:
        """Read all of it; raises BadUpload, and what ``begin`` raises."""
        try:
            async for piece in stream:
                self._parser.write(piece)
                if self._out is not None and len(self._piece) >= _WRITE_BYTES:
                    await self._flush(write)
            await self._flush(write)
        except MultipartParseError as error:
            raise BadUpload("the form is damaged: send it again") from error
        finally:
            if self._out is not None:
                self._out.close()
        if not self._done:
            raise BadUpload("the upload was cut off: send it again")
        if self._out is None or not self.size_bytes:
            raise BadUpload("choose a file that is not empty")

    async def _flush(self, write: WritePiece) -> None:
        if self._out is not None and self._piece:
            piece, self._piece = bytes(self._piece), bytearray()
            await write(self._out.write, piece)

    def _part(self) -> None:
        self._said, self._text, self._in_file = b"", bytearray(), False

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._said = self._value
        self._header, self._value = b"", b""

    def _headers(self) -> None:
        _, options = parse_options_header(self._said)
        self._field = options.get(b"name", b"").decode(errors="replace")
        if b"filename" not in options:
            if len(self.fields) >= _MOST_FIELDS:
                raise BadUpload("the form has too many fields")
            return
        if self._out is not None:
            raise BadUpload("send one file at a time")
        self._begin(self.fields)
        self.name = options[b"filename"].decode(errors="replace")
        self._out, self._in_file = private_file(self._path), True

    def _data(self, data: bytes, start: int, end: int) -> None:
        if not self._in_file:
            self._text += data[start:end]
            if len(self._text) > _MOST_FIELD_BYTES:
                raise BadUpload("a field of the form is too long")
            return
        self.size_bytes += end - start
        if self.size_bytes > self._most:
            raise BadUpload(
                f"the file has more than {self._most:,} bytes, see web.desk.upload_bytes"
            )
        self._piece += data[start:end]

    def _part_end(self) -> None:
        if not self._in_file and self._field:
            self.fields[self._field] = self._text.decode(errors="replace").strip()

    def _end(self) -> None:
        self._done = True
