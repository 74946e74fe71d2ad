"""Make `.autobahn`: the Autobahn test suite, and PyPy for Python 2.7, in which it is written.

PyPy comes from Debian 11's archive, by way of the machine's own Debian mirror. It is unpacked, not
installed: nothing outside of `.autobahn` changes, and nobody needs to be root. Made again only when
`tests/conformance/requirements.txt` or this file has changed::

    .venv/bin/python scripts/make_conformance_env.py
    .autobahn/wstest --help
"""

import argparse
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENVIRONMENT = ROOT / ".autobahn"
REQUIREMENTS = ROOT / "tests/conformance/requirements.txt"
INSTALLED = ENVIRONMENT / "installed.txt"
"""What it was made from; written last, so that one that was interrupted is made anew."""

SUITE = "bullseye"
"""Debian 11, the last one that has a PyPy for Python 2.7."""

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PACKAGES = (
    "pypy=7.3.3+dfsg-2",
    "pypy-lib=7.3.3+dfsg-2",
    "pypy-dev=7.3.3+dfsg-2",
    "libffi7=3.3-6",
    "libssl1.1=1.1.1w-0+deb11u1",
)
INSTALLERS = ("pip==20.3.4", "setuptools==44.1.1", "wheel==0.37.1")
"""The last ones for Python 2."""

NEEDED_BY_SETUP = ("typing", "incremental")
"""What the other packages need while they are built."""

MAX_VIRTUAL_KB = 8_800_000
"""The suite keeps every byte that it has sent; beyond this it fails, and not the machine."""

WITHOUT_TLS = """supported = False
class ContextFactory(object): pass
class DefaultOpenSSLContextFactory(ContextFactory): pass
class ClientContextFactory(ContextFactory): pass
"""
"""In place of Twisted's module, which wants pyOpenSSL: the suite speaks ws://, not wss://."""

PYTHON = """#!/bin/sh
ulimit -v {max_virtual_kb}
export LD_LIBRARY_PATH='{libraries}' PYTHONPATH='{site}' PYTHONNOUSERSITE=1 PURE_PYTHON=1
exec '{pypy}' "$@"
"""
WSTEST = """#!/bin/sh
exec '{python}' -c 'from autobahntestsuite.wstest import run; run()' "$@"
"""


class SetupError(Exception):
    """It did not work; the message says what, and what would help."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Set the Autobahn test suite up.")
    parser.add_argument(
        "--if-possible", action="store_true", help="elsewhere than on Debian say so and succeed"
    )
    arguments = parser.parse_args()
    if why := why_impossible():
        print(why, file=sys.stdout if arguments.if_possible else sys.stderr)
        return 0 if arguments.if_possible else 1
    made_from = REQUIREMENTS.read_text() + Path(__file__).read_text() + str(ROOT)
    if INSTALLED.is_file() and INSTALLED.read_text() == made_from:
        return 0
    print(f"setting the Autobahn test suite up in {ENVIRONMENT.name}", flush=True)
    try:
        make_environment()
    except SetupError as exc:
        print(exc, file=sys.stderr)
        return 1
    INSTALLED.write_text(made_from)
    return 0


def why_impossible() -> str | None:
    """Return why this machine cannot have it; None if it can."""
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        system = {"PRETTY_NAME": platform.system()}
    lacking = [tool for tool in ("apt-get", "dpkg") if shutil.which(tool) is None]
    if system.get("ID") == "debian" and not lacking and KEYRING.is_file():
        return None
    missing = lacking or ([] if KEYRING.is_file() else [str(KEYRING)])
    return (
        "The Autobahn test suite needs Python 2.7, which is unpacked from Debian's archive with "
        f"Debian's tools; this is {system.get('PRETTY_NAME', 'another system')}"
        + (f" without {' and '.join(missing)}" if missing else "")
        + ". Use Debian 12 or later, such as its container."
    )


def make_environment() -> None:
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    site = ENVIRONMENT / "site"
    site.mkdir(parents=True)
    pypy = unpack_pypy(ENVIRONMENT / "apt")
    python = write_program(
        "py2",
        PYTHON.format(
            max_virtual_kb=MAX_VIRTUAL_KB,
            libraries=":".join(str(path) for path in pypy.parents[2].glob("*-linux-gnu*")),
            site=site,
            pypy=pypy,
        ),
    )
    install_packages(python, site)
    # Packages in one directory do not find each other without it.
    (site / "zope/__init__.py").touch()
    (site / "twisted/internet/ssl.py").write_text(WITHOUT_TLS)
    wstest = write_program("wstest", WSTEST.format(python=python))
    run("the suite does not start", wstest, "--autobahnversion")


def unpack_pypy(work: Path) -> Path:
    """Return the interpreter, with its libraries beside it."""
    for directory in ("lists/partial", "cache/archives/partial", "packages"):
        (work / directory).mkdir(parents=True)
    sources = work / "sources.list"
    sources.write_text(
        "".join(f"deb [signed-by={KEYRING}] {mirror} {SUITE} main\n" for mirror in mirrors())
    )
    apt = [
        "apt-get",
        "-qq",
        f"-oDir::Etc::SourceList={sources}",
        "-oDir::Etc::SourceParts=/dev/null",
        "-oAPT::Update::Error-Mode=any",
        f"-oDir::State::Lists={work / 'lists'}",
        f"-oDir::Cache={work / 'cache'}",
        "-oAPT::Sandbox::User=root",  # the clone may be where apt's own user cannot write
    ]
    run(f"Debian's mirror has no list of {SUITE}'s packages", *apt, "update")
    packages = work / "packages"
    run(f"{SUITE}'s packages cannot be had", *apt, "download", *PACKAGES, directory=packages)
    for package in sorted(packages.glob("*.deb")):
        run("a package cannot be unpacked", "dpkg", "-x", package, ENVIRONMENT / "root")
    shutil.rmtree(work)
    return ENVIRONMENT / "root/usr/lib/pypy/bin/pypy-c"


def mirrors() -> list[str]:
    """Return where this machine gets Debian itself from, as its own sources say."""
    codename = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    found = run(
        "apt cannot tell where this machine's packages come from",
        "apt-get",
        "indextargets",
        "--format",
        "$(RELEASE) $(COMPONENT) $(REPO_URI)",
        "Identifier: Packages",
    )
    rows = [line.split(" ", 2) for line in found.splitlines()]
    uris = {uri for release, component, uri in rows if component == "main" and release == codename}
    if not uris:
        raise SetupError(
            f"The Autobahn test suite cannot be set up: none of apt's sources is {codename} main, "
            "so there is no Debian mirror to ask. See /etc/apt/sources.list.d."
        )
    return sorted(uris)


def install_packages(python: Path, site: Path) -> None:
    python3 = sys.executable
    uv = (python3, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--python", python3)
    run("the installer of Python 2 cannot be installed", *uv, "--target", site, *INSTALLERS)
    pip = (python, "-m", "pip", "install", "--quiet", "--no-compile", "--no-deps")
    requirements = REQUIREMENTS.read_text().splitlines()
    first = [line for line in requirements if line.partition("==")[0] in NEEDED_BY_SETUP]
    run("the suite cannot be installed", *pip, "--target", site, *first)
    rest = [line for line in requirements if line not in first and not line.startswith("#")]
    run("the suite cannot be installed", *pip, "--target", site, *rest)


def write_program(name: str, text: str) -> Path:
    program = ENVIRONMENT / name
    program.write_text(text)
    program.chmod(0o755)
    return program


def run(fault: str, *command: object, directory: Path = ROOT) -> str:
    """Return what a command writes.

    Raises:
        SetupError: It failed; `fault` says what that means.
    """
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(
            f"The Autobahn test suite cannot be set up: {fault}.\n"
            f"{' '.join(words)}\n{(done.stderr or done.stdout).strip()}"
        )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
