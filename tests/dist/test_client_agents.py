"""Coding agents through the real daemon, set up as ``docs/clients.md`` says and run without a person.

Each has the model of its own dialect and one of the other. It calls a tool and brings the result, and shows a person
what is the matter with a wrong key, an unknown model, and a provider that fails.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from types import ModuleType

from aigw.testing import Answer, ReceivedRequest, Step, anthropic
from aigw.testing.said import BUSY, Called, Said
from tests.dist.client import CLIENTS, KEY, NOTE, PROVIDERS, ClientTestCase, agent
from tests.dist.daemon import Finished

#: What the model says when it has seen the result of its tool.
TEXT = "The note has been read."
PROMPT = "Read note.txt."
NOBODYS = "nobody-has-this-model"


class AgentTestCase(ClientTestCase):
    """An agent, its section of the page, and what is set besides so that it phones nobody and does not wait.

    :cvar models: those it is asked to use, and who serves them.
    """

    heading: str
    models: Mapping[str, str] = {"gpt-6.1-sol": "openai", "claude-sonnet-5-5": "anthropic"}
    more: Mapping[str, str] = {}

    def command(self, model: str) -> list[str]:
        """The program and its arguments, to answer :data:`PROMPT` with this model."""
        raise NotImplementedError

    def reads(self) -> Called:
        """The call of this agent's own tool that reads ``note.txt``."""
        raise NotImplementedError

    async def ask(self, model: str, *, key: str = KEY, **more: str) -> Finished:
        """Run it once."""
        return await self.run_client(self.heading, self.command(model), key=key, more={**self.more, **more})

    async def works(self) -> None:
        """It streams a call, runs its tool, sends the result, and shows the answer; with each of its models."""
        await self.start()
        for model, name in self.models.items():
            self.upstreams[name].standing = agent(PROVIDERS[name], self.reads(), NOTE, TEXT)
            finished = await self.ask(model)
            self.assertIn(TEXT, finished.stdout, f"{model}: {finished}")
            self.assertEqual(finished.status, 0, f"{model}: {finished}")
            asked = self.asked(name)
            self.assertTrue(all(self.is_streamed(each) for each in self.upstreams[name].requests), model)
            self.assertEqual([NOTE in str(fields) for fields in asked].count(True), 1, model)

    def is_streamed(self, request: ReceivedRequest) -> bool:
        """Whether it asks for a stream."""
        return request.fields().get("stream") is True or b":streamGenerateContent" in request.target

    async def complains(self, finished: Finished, words: str) -> None:
        """It failed, and shows these words."""
        self.assertIn(words, finished.stdout + finished.stderr)
        self.assertNotEqual(finished.status, 0, str(finished))

    async def says_wrong_key(self) -> None:
        """Words that name the matter; no provider is asked."""
        await self.start()
        await self.complains(await self.ask(next(iter(self.models)), key="not-a-key"), "Unauthorized")
        self.assertEqual([name for name in PROVIDERS if self.asked(name)], [])

    async def says_unknown_model(self) -> None:
        """The model that was asked for is named."""
        await self.start()
        await self.complains(await self.ask(NOBODYS), NOBODYS)

    async def says_failure(self, **more: str) -> None:
        """What the provider says in the middle of its stream, also of the other dialect, is what a person reads."""
        await self.start()
        for model, name in self.models.items():
            self.upstreams[name].standing = failing(PROVIDERS[name])
            await self.complains(await self.ask(model, **more), BUSY)


def failing(provider: ModuleType) -> Answer:
    """A provider that fails: in the middle of a stream, or with an error where no stream is asked for."""

    def answered(request: ReceivedRequest) -> Iterable[Step]:
        whole = request.fields().get("stream") is not True
        answer: Answer = provider.error(503) if whole else provider.failing(Said())
        return answer(request)

    return answered


class ClaudeCodeTests(AgentTestCase):
    """``claude -p``."""

    heading = "Claude Code"
    more = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}

    def command(self, model: str) -> list[str]:
        return ["claude", "-p", PROMPT, "--model", model]

    def reads(self) -> Called:
        return Called("call_1", "Read", {"file_path": str(self.workspace / "note.txt")})

    async def test_works(self) -> None:
        await self.works()

    async def test_wrong_key(self) -> None:
        """It asks once, although it takes other 401s for a token that will be renewed, and repeats them for minutes."""
        await self.says_wrong_key()
        self.daemon.signal("TERM")
        await self.daemon.end()
        self.assertEqual(self.daemon.stdout.count('"status":401'), 1)

    async def test_unknown_model(self) -> None:
        await self.says_unknown_model()

    async def test_failure(self) -> None:
        await self.says_failure(CLAUDE_CODE_MAX_RETRIES="0")


class CodexTests(AgentTestCase):
    """``codex exec``. The web search is off, as the page says for models that are not OpenAI's.

    OpenAI's model is one that Codex does not know: those that it does know run its tools inside of a program that they
    write.
    """

    heading = "Codex CLI"
    models = {"gpt-of-tomorrow": "openai", "claude-sonnet-5-5": "anthropic"}

    def command(self, model: str) -> list[str]:
        options = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "-c", 'web_search="disabled"']
        return ["codex", "exec", *options, "-m", model, PROMPT]

    def reads(self) -> Called:
        return Called("call_1", "exec_command", {"cmd": "cat note.txt"})

    async def test_works(self) -> None:
        await self.works()

    async def test_wrong_key(self) -> None:
        await self.says_wrong_key()

    async def test_unknown_model(self) -> None:
        await self.says_unknown_model()

    async def test_tools_in_a_program(self) -> None:
        """Under the name of a model that Codex knows, its tools come in namespaces, and a program calls them: from Claude, too."""
        known = "gpt-6.1-terra"
        await self.start(f'[models."{known}"]\ntargets = [{{ backend = "anthropic", model = "claude-sonnet-5-5" }}]\n')
        program = "text(await tools.exec_command({cmd: 'cat note.txt'}))"
        called = Called("call_1", "exec", {"input": program})
        self.upstreams["anthropic"].standing = agent(anthropic, called, NOTE, TEXT)
        finished = await self.ask(known)
        self.assertEqual((finished.status, finished.stdout.strip()), (0, TEXT), str(finished))
        first, second = self.asked("anthropic")
        self.assertIn("clock__sleep", [tool["name"] for tool in first["tools"]])
        self.assertIn(NOTE, str(second))

    async def test_failure(self) -> None:
        """What a provider of another dialect says comes as ``response.failed``; Codex tries again, and shows its words."""
        await self.start()
        self.upstreams["anthropic"].standing = failing(anthropic)
        await self.complains(await self.ask("claude-sonnet-5-5"), BUSY)


class GeminiTests(AgentTestCase):
    """``gemini -p``, for Gemini's models only: what the provider says passes as it is."""

    heading = "Gemini CLI"
    models = {"gemini-2.5-flash": "gemini"}

    def command(self, model: str) -> list[str]:
        return ["gemini", "--skip-trust", "-m", model, "-p", PROMPT]

    def reads(self) -> Called:
        return Called("call_1", "read_file", {"file_path": "note.txt"})

    async def test_works(self) -> None:
        await self.works()

    async def test_wrong_key(self) -> None:
        await self.says_wrong_key()


class OpencodeTests(AgentTestCase):
    """``opencode run``. A model that its own file does not name is one that it does not ask for."""

    heading = "opencode"
    more = {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"}

    def command(self, model: str) -> list[str]:
        return ["opencode", "run", "-m", f"aigw/{model}", PROMPT]

    def reads(self) -> Called:
        return Called("call_1", "read", {"filePath": str(self.workspace / "note.txt")})

    async def test_works(self) -> None:
        await self.works()

    async def test_wrong_key(self) -> None:
        await self.says_wrong_key()


class AiderTests(AgentTestCase):
    """``aider --message``. It has no tools: it puts files into its prompt."""

    heading = "aider"

    def setUp(self) -> None:
        if sys.version_info >= (3, 13):
            self.skipTest("aider wants Python below 3.13")
        super().setUp()

    def command(self, model: str) -> list[str]:
        options = ["--no-git", "--no-check-update", "--analytics-disable", "--no-show-model-warnings", "--yes-always"]
        aider = str(CLIENTS / "aider" / "bin" / "aider")
        return [aider, "--model", f"openai/{model}", *options, "--message", PROMPT, "note.txt"]

    async def test_works(self) -> None:
        """The file's content goes up, the answer is shown."""
        await self.start()
        for model, name in self.models.items():
            self.upstreams[name].standing = PROVIDERS[name].answer(Said(text=TEXT))
            finished = await self.ask(model)
            self.assertIn(TEXT, finished.stdout, f"{model}: {finished}")
            (fields,) = self.asked(name)
            self.assertIn(NOTE, str(fields))
            self.assertIs(fields["stream"], True)

    async def test_wrong_key(self) -> None:
        """Ends by itself; aider's status is 0 whatever happens."""
        await self.start()
        finished = await self.ask(next(iter(self.models)), key="not-a-key")
        self.assertIn("Unauthorized", finished.stdout, str(finished))

    async def test_unknown_model(self) -> None:
        """Names the model."""
        await self.start()
        finished = await self.ask(NOBODYS)
        self.assertIn(f"model {NOBODYS} is not served here", " ".join(finished.stdout.split()), str(finished))
