"""What the gateway knows of providers."""

from typing import get_args

from twisted.trial import unittest

from aigw.config.tables import ProviderName
from aigw.llm import operations
from aigw.llm.providers import PROVIDERS, provider


class ProviderTests(unittest.TestCase):
    """The table of providers."""

    def test_all_names_of_the_configuration_are_known(self) -> None:
        """Those that cannot be called yet say so."""
        self.assertEqual(set(PROVIDERS), set(get_args(ProviderName)))
        for name in ("openai", "openai-compatible", "anthropic", "azure", "mistral", "echo"):
            self.assertTrue(provider(name).available, name)

    def test_each_goes_by_its_own_name(self) -> None:
        """And an unknown name is an error."""
        for name in PROVIDERS:
            self.assertEqual(provider(name).name, name)
        self.assertRaises(KeyError, provider, "nobody")

    def test_openai_is_at_home_and_compatible_ones_are_not(self) -> None:
        """A compatible server's address must be configured."""
        self.assertEqual(provider("openai").default_url, "https://api.openai.com/v1")
        self.assertIsNone(provider("openai-compatible").default_url)
        self.assertIsNone(provider("echo").default_url)

    def test_paths_name_their_operations(self) -> None:
        """What a provider's path is for is what by_path says it is for."""
        for one in PROVIDERS.values():
            for operation, path in one.paths.items():
                self.assertEqual(operations.by_path(path.encode()), operation)

    def test_key_goes_as_bearer_token(self) -> None:
        """For all that speak as OpenAI does."""
        for name in ("openai", "openai-compatible"):
            one = provider(name)
            self.assertEqual((one.key_header, one.key_prefix), (b"authorization", b"Bearer "))
            self.assertIn(b"authorization", one.passthrough_headers)
