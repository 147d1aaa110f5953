"""What stands between this machine and a publisher: proxies and certificates."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

from lesionkit.doctor.section import Section

PROXIES = ("http", "https", "all")
CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
ANSWER_SECONDS = 2.0
PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


def proxies(section: Section) -> None:
    """The proxies that `fetch` goes through, and whether something answers there."""
    found = getproxies_environment()  # in small letters, or in capitals
    addresses = {found[name]: f"{name}_proxy" for name in PROXIES if name in found}
    if not addresses:
        section.facts["proxy"] = "none"
    for address, name in addresses.items():
        try:
            parts = urlsplit(address if "://" in address else f"http://{address}")
            host, port = parts.hostname, parts.port or PORTS.get(parts.scheme)
        except ValueError:
            host = port = None
        if host and port:  # without the name and password before them
            section.facts[name] = f"{host}:{port}"
        if wrong := _silent(host, port):
            section.warn(
                f"{name}: {wrong}: fetch will not work; mend the variable, or unset it"
            )


def _silent(host: str | None, port: int | None) -> str:
    """Why a proxy cannot be reached; "" if it can."""
    if not host or not port:
        return "not the address of a proxy, such as http://proxy.example:3128"
    try:
        socket.create_connection((host, port), timeout=ANSWER_SECONDS).close()
    except OSError as error:
        return f"nothing answers at {host}:{port} ({error.strerror or error})"
    return ""


def certificates(section: Section) -> None:
    """Files of certificates that a variable names."""
    for name in CERTIFICATES:
        path = os.environ.get(name)
        if path is None:
            continue
        section.facts[name] = path
        if not Path(path).exists():
            section.warn(f"{name} names {path}, which is not there: unset it")
