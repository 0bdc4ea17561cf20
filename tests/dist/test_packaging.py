"""What pip installs works: the wheel in an empty environment, and the checkout in editable mode.

Builds and installs with pip, from the package index that it is configured for.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import sys
import zipfile
from unittest import SkipTest

from tests.dist.daemon import CHECKOUT, DaemonTestCase, start

_LEFT_OUT = shutil.ignore_patterns(
    ".git",
    ".venv",
    "build",
    "*.egg-info",
    "__pycache__",
    "_trial_temp*",
    ".*_cache",
    ".hypothesis",
    "dropin.cache",
)
#: The caller's own Python settings would show the checkout to what must do without it.
_OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


class PackagingTests(DaemonTestCase):
    """Built from a copy of the checkout, run outside of it."""

    timeout = 900

    async def succeed(self, *command: str, **extra: str) -> str:
        """Run a program in an empty directory and return what it printed; it must end with status 0.

        :param extra: what it finds in its environment besides.
        """
        env = {name: value for name, value in os.environ.items() if name not in _OURS} | extra
        elsewhere = self.directory / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        program = start(command, env, elsewhere)
        self.addCleanup(program.stop)
        finished = await program.end()
        self.assertEqual(finished.status, 0, f"{command}:\n{finished.stdout[-4000:]}\n{finished.stderr[-4000:]}")
        return finished.stdout + finished.stderr

    def sources(self) -> pathlib.Path:
        """A copy of the checkout, so that building leaves nothing behind in it."""
        copy = self.directory / "checkout"
        shutil.copytree(CHECKOUT, copy, ignore=_LEFT_OUT)
        return copy

    async def wheel(self, *, compiled: bool) -> pathlib.Path:
        """The wheel as pip builds it."""
        out = self.directory / "wheels"
        command = ("pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps")
        where = ("--wheel-dir", str(out), str(self.sources()))
        await self.succeed(sys.executable, "-m", *command, *where, AIGW_COMPILE="1" if compiled else "0")
        (wheel,) = out.glob("aigw-*.whl")
        return wheel

    async def install(self, *what: str) -> pathlib.Path:
        """An environment with nothing but pip, then ``what`` and its dependencies; returns its ``bin``."""
        home = self.directory / "environment"
        await self.succeed(sys.executable, "-m", "venv", str(home))
        scripts = home / "bin"
        command = ("pip", "--disable-pip-version-check", "install", "--quiet")
        await self.succeed(str(scripts / "python"), "-m", *command, *what)
        return scripts

    async def assert_commands_work(self, scripts: pathlib.Path) -> None:
        """Both commands, and the plugin among twistd's."""
        self.assertRegex(await self.succeed(str(scripts / "twistd"), "--help"), r"\n +aigw +\S")
        self.assertIn("--config", await self.succeed(str(scripts / "twistd"), "aigw", "--help"))
        usage = await self.succeed(str(scripts / "aigw"), "--help")
        for command in ("check", "show", "diff", "key"):
            self.assertIn(command, usage)
        # A gateway that nothing else brought along: the runtime needs no development package.
        config = self.directory / "elsewhere" / "gateway.toml"
        config.write_text('[backends.echo]\nprovider = "echo"\n[routes.all]\nbackend = "echo"\nauth = "none"\n')
        self.assertTrue((await self.succeed(str(scripts / "aigw"), "check", str(config))).endswith("OK\n"))

    async def contents(self, *, compiled: bool) -> set[str]:
        """What is in the wheel; every module, the plugin, the marker for type checkers and the licence must be."""
        with zipfile.ZipFile(await self.wheel(compiled=compiled)) as wheel:
            names = set(wheel.namelist())
        modules = {str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "aigw").rglob("*.py")}
        self.assertEqual(modules - names, set())
        self.assertIn("aigw/py.typed", names)
        program = {name for name in names if ".dist-info/" not in name}
        self.assertTrue(any(name.endswith("LICENSE") for name in names - program), names - program)
        return {name for name in program if not name.startswith("aigw/")}

    async def test_wheel_has_the_program_and_nothing_else(self) -> None:
        """No tests, no benchmarks."""
        self.assertEqual(await self.contents(compiled=False), {"twisted/plugins/aigw_plugin.py"})

    async def test_compiled_wheel_has_one_library_more(self) -> None:
        """And works in an empty environment, with what is on a request's path compiled."""
        if not shutil.which("cc"):
            raise SkipTest("there is no C compiler")
        outside = await self.contents(compiled=True) - {"twisted/plugins/aigw_plugin.py"}
        self.assertEqual([name.partition(".")[0].endswith("__mypyc") for name in outside], [True])
        (wheel,) = (self.directory / "wheels").glob("aigw-*.whl")
        scripts = await self.install(str(wheel))
        await self.assert_commands_work(scripts)
        where = await self.succeed(str(scripts / "python"), "-c", "import aigw.http.reader as r; print(r.__file__)")
        self.assertTrue(where.strip().endswith(".so"), where)

    async def test_wheel_works_in_an_empty_environment(self) -> None:
        """``pip install aigw`` is all it takes."""
        await self.assert_commands_work(await self.install(str(await self.wheel(compiled=False))))

    async def test_editable_install_works(self) -> None:
        """``pip install -e .`` is all that a developer needs: twistd finds the plugin in the checkout."""
        sources = self.sources()
        scripts = await self.install("--editable", str(sources))
        await self.assert_commands_work(scripts)
        where = await self.succeed(str(scripts / "python"), "-c", "import aigw; print(aigw.__file__)")
        self.assertEqual(where.strip(), str(sources / "aigw" / "__init__.py"))
