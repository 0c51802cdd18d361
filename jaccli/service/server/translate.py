"""A request of the API → a command's request; its outcome → status, media type and bytes.

The process that receives a request looks at its headers and makes a `RequestJob`; what is in its
body is a worker's matter, `answer`.  There, the spec is standard input, the parts of a multipart
body are the files that it may name, and whatever else the command wants to read or write is
refused.

Boundary: no sockets and no event loop; all that a request holds is in memory, within the limits.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from jaccli.commands import COMMANDS
from jaccli.commands.outcome import json_line
from jaccli.commands.request import Request
from jaccli.context import Context, using
from jaccli.errors import JaccliError, verdict
from jaccli.service.messages import MEDIA_TYPE, BadMessage, Call, Reply, decode, encode
from jaccli.service.server.http_error import Refusal
from jaccli.service.server.operations import (
    FORMATS,
    JSON,
    NPY,
    OPERATIONS,
    PAGE,
    Operation,
    Query,
)
from jaccli.storage.files import MissingAnswers, MustRunLocally

if TYPE_CHECKING:
    from jaccli.context import Question

MULTIPART = "multipart/form-data"
SPEC_MEDIA = (JSON, "application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")
_TEXT_MEDIA = (*SPEC_MEDIA, "text/plain", "application/x-www-form-urlencoded", "")
"""Media types of a spec: those that clients send when nobody tells them, too."""
NPY_MEDIA = (NPY, "application/octet-stream", "application/x-www-form-urlencoded", "")
"""Media types of a bare input."""
BODY = "(body).npy"
"""The name of the input that the body holds."""
RESULT = "(result).npz"
"""The name of the file that an answer in that format would be."""
_PARTS = 256
_LONGEST = 200
"""Characters of a file's name that are quoted."""
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{1,70}")
_STATUS = {0: 200, 1: 200, 2: 400, 3: 422, 4: 422}
"""By exit code: done, or a verdict; a wrong spec; a computation that fails; no such device."""
_MEDIA_OF = {name: media for media, name in FORMATS.items()}


@dataclass(frozen=True)
class Document:
    """A spec's text and the files that it may name."""

    spec: bytes
    files: dict[str, bytes] = field(default_factory=dict)


class DocumentFiles:
    """The files of a request: its spec is standard input, its parts the files that it may name.

    `bare` is the input's array that is in a body of its own.
    """

    local = False

    def __init__(self, document: Document, bare: bytes | None = None) -> None:
        self._files = document.files if bare is None else {**document.files, BODY: bare}
        self._spec = document.spec

    def ask(self, question: Question) -> Any:
        """Return the answer, if the request has it."""
        match question:
            case ("read", "-"):
                return self._spec
            case ("read" | "content", str(name)) if name in self._files:
                return self._files[name]
            case ("check_writable", name, _) if name == RESULT:
                return None
            case ("is_special" | "has_partial", name) if name == RESULT:
                return False
            case ("identity", str(name)):
                return name
        raise MissingAnswers(question)

    def prefetch(self, questions: Iterable[Question]) -> None:
        """Look for all at once."""
        for question in questions:
            self.ask(question)

    def open(self, name: str) -> BinaryIO:
        """Return what is in a file."""
        return io.BytesIO(self.ask(("content", name)))

    def publishing(self, name: str, force: bool) -> AbstractContextManager[BinaryIO]:
        """Write nothing: the answer is what would be written."""
        return nullcontext(io.BytesIO())

    def folder(self) -> str:
        """Return where names begin."""
        return "/"


CALL, ID = "call", "id"
"""Forms of an answer beside those of `FORMATS`: the reply to a client's call, a model's id."""


class RequestJob(NamedTuple):
    """What a request asks for, beside its body: `content_type` is that of the spec.

    `input` names the input whose `.npy` is in a body of its own, and is empty if there is none.
    """

    form: str
    operation: str = ""
    query: Query = ()
    content_type: str = ""
    input: str = ""

    def encode(self) -> bytes:
        """Return the job as bytes."""
        return encode([*self[:2], list(map(list, self.query)), *self[3:]])

    @classmethod
    def decode(cls, data: bytes) -> RequestJob:
        """Return the job that the bytes hold."""
        form, operation, query, *rest = decode(data)
        return cls(form, operation, tuple((name, text) for name, text in query), *rest)


class Response(NamedTuple):
    """What a request is answered with; `id` is that of a model that shall be kept."""

    status: int
    media: str
    body: bytes
    headers: Mapping[str, str] = MappingProxyType({})
    id: str = ""

    @classmethod
    def refused(cls, refusal: Refusal) -> Response:
        """Return what a refusal is answered with."""
        return cls(refusal.status, JSON, refusal.as_json(), refusal.headers)

    def head(self) -> bytes:
        """Return all but the body, as bytes."""
        return encode([self.status, self.media, dict(self.headers), self.id])

    @classmethod
    def with_head(cls, head: bytes) -> Response:
        """Return the response without its body."""
        status, media, headers, name = decode(head)
        return cls(status, media, b"", headers, name)


def answer(
    job: RequestJob, body: bytes, bare: bytes, shared: Context, perform: Callable[[Call], Reply]
) -> Response:
    """Return what a job is answered with, whatever is wrong with it.

    `shared` is what all requests share of a context; `perform` performs the call of a client.
    """
    try:
        if job.form == CALL:
            try:
                asked = Call.decode(body)
            except BadMessage:
                raise Refusal(400, "the body is not a call.") from None
            return Response(200, MEDIA_TYPE, perform(asked).encode())
        given = document(job.content_type, body)
        files = DocumentFiles(given, bare if job.input else None)
        done = job._replace(form="npz") if job.form == ID else job
        found = content(done, shared.replace(files=files))
        if job.form != ID:
            return Response(200, _MEDIA_OF[job.form], found)
        name = identity(given)
        return Response(201, JSON, json.dumps({"id": name}).encode(), id=name)
    except Refusal as refusal:
        return Response.refused(refusal)


def document(content_type: str, body: bytes) -> Document:
    """Return the document that a body holds.

    Raises:
        Refusal: it holds none.
    """
    media, boundary = _media_type(content_type)
    if media == MULTIPART:
        return _document_of(_parts(body, boundary))
    if media not in _TEXT_MEDIA:
        accepted = ", ".join((*SPEC_MEDIA, MULTIPART))
        raise Refusal(415, f"the body is {media!r}. Expected one of {accepted}.")
    if not body.strip():
        raise Refusal(400, "the body is empty. Expected a spec, as YAML or JSON.")
    return Document(body)


def is_bare(content_type: str) -> bool:
    """Whether a body may be an array alone."""
    return _media_type(content_type)[0] in NPY_MEDIA


def accepted(header: str, operation: Operation) -> str:
    """Return the name of the format that a client likes best of those that there are.

    Raises:
        Refusal: it likes none of them.
    """
    best, quality = "", 0.0
    for part in header.lower().split(",") if header else ["*/*"]:
        media, *parameters = (word.strip() for word in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            if re.fullmatch(r"q=[01](\.[0-9]{0,3})?", parameter):
                weight = float(parameter[2:])
        media = {"*/*": JSON, "application/*": JSON, "application/octet-stream": NPY}.get(
            media, media
        )
        if media in operation.media and weight > quality:
            best, quality = FORMATS[media], weight
    if not best:
        raise Refusal(406, f"{operation.name} answers {', '.join(operation.media)}.")
    return best


def request(job: RequestJob) -> Request:
    """Return what a job asks of its command: one spec, the body, and perhaps an input.

    Raises:
        Refusal: a parameter of the query is wrong.
    """
    printed = "json" if job.form == FORMATS[PAGE] else job.form
    given: dict[str, Any] = {"specs": ("-",), "quiet": True, "output": "-", "format": printed}
    if job.input:
        given["at"] = (f"{job.input}=@{BODY}",)
    if job.form == "npz":
        given |= {"output": RESULT, "force": True, "format": "none"}
    return OPERATIONS[job.operation].request(job.query, **given)


def content(job: RequestJob, context: Context) -> bytes:
    """Perform a job, and return the body of its answer.

    Raises:
        Refusal: the command has failed, or wanted a file.
    """
    try:
        outcomes = list(COMMANDS[job.operation].perform(request(job), context))
        with using(context):
            if job.form == FORMATS[PAGE]:
                return json_line([outcome.as_data() for outcome in outcomes]).encode()
            (outcome,) = outcomes
            return outcome.content(job.form)
    except Refusal:
        raise
    except MustRunLocally as elsewhere:
        raise Refusal(422, elsewhere.reason) from None
    except MissingAnswers as unanswered:
        name = str(unanswered.questions[0][1])[:_LONGEST]
        message = (
            f"the spec names the file {name!r}, and the service opens none. "
            "Send it as a part of a multipart body."
        )
        raise Refusal(400, message) from None
    except JaccliError as error:
        raise Refusal(_STATUS[error.exit_code], "\n".join(error.paragraphs())) from None
    except (MemoryError, RecursionError) as error:
        said, code = verdict(error, to_user=False)
        raise Refusal(_STATUS[code], said.removeprefix("jaccli: ")) from None
    except Exception:
        traceback.print_exc()
        raise Refusal(500, "the service has failed at this request. This is a defect.") from None


def _media_type(header: str) -> tuple[str, str]:
    """Return the media type of a header, and its boundary."""
    media, _, parameters = header.partition(";")
    boundary = ""
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "boundary":
            boundary = value.strip('"')
    return media.strip().lower(), boundary


def _document_of(parts: dict[str, bytes]) -> Document:
    if "spec" not in parts:
        raise Refusal(400, "the body has no part 'spec'.")
    return Document(parts.pop("spec"), parts)


def _parts(body: bytes, boundary: str) -> dict[str, bytes]:
    """Return the parts of a multipart body: the spec under its name, files under theirs."""
    if not _BOUNDARY.fullmatch(boundary):
        raise Refusal(400, "multipart: the boundary is missing, or is none.")
    first, *pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode(), _PARTS + 1)
    if first.strip() or not pieces or not pieces[-1].startswith(b"--"):
        raise Refusal(400, "multipart: the body is cut short, or begins with something else.")
    found: dict[str, bytes] = {}
    for piece in pieces[:-1]:
        end = piece.find(b"\r\n\r\n", 0, _HEAD)
        name = _name(piece[:end].decode(errors="replace")) if end >= 0 else ""
        if not name:
            raise Refusal(400, "multipart: a part has no name.")
        if name in found:
            raise Refusal(400, f"multipart: two parts are called {name!r}.")
        found[name] = piece[end + 4 :]
    return found


_HEAD = 1 << 13
"""Bytes of the head of a part at most."""
_DISPOSITION = re.compile(
    r'(?im)^content-disposition:\s*form-data((?:\s*;\s*\w+="[^"\r\n]*")+)\s*$'
)


def _name(head: str) -> str:
    """Return what a part is called: `spec`, or the name of its file, or its own."""
    found = _DISPOSITION.search(head)
    if found is None:
        return ""
    said = dict(re.findall(r'(\w+)="([^"]*)"', found[1]))
    name: str = said.get("name", "")
    return name if name == "spec" else said.get("filename") or name


_DIGITS = 32
"""Hexadecimal digits of an id: 128 bits of a SHA-256."""


def identity(document: Document) -> str:
    """Return the id of a document: equal documents have equal ids."""
    digest = hashlib.sha256()
    for part in (document.spec, *(x for f in sorted(document.files.items()) for x in f)):
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()[:_DIGITS]
