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
        if host := _host(address):
            section.facts[name] = "{}:{}".format(*host)
        if wrong := _silent(host):
            section.warn(
                f"{name}: {wrong}: fetch will not work; mend the variable, or unset it"
            )


def _host(address: str) -> tuple[str, int] | None:
    """Host and port of a proxy, without the name and password before them."""
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None


def _silent(host: tuple[str, int] | None) -> str:
    """Why a proxy cannot be reached; "" if it can."""
    if host is None:
        return "not the address of a proxy, such as http://proxy.example:3128"
    try:
        socket.create_connection(host, timeout=ANSWER_SECONDS).close()
    except OSError as error:
        return f"nothing answers at {host[0]}:{host[1]} ({error.strerror or error})"
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
