"""What is a secret although nobody says so: told by its name, or by how it looks."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.config.sensitive import is_credential_name, looks_secret, parts_of, secrets_in


class NameTests(unittest.TestCase):
    """Names of headers and fields."""

    def test_credentials(self) -> None:
        """As people and SDKs write them."""
        for name in (
            *(
                "x-api-key",
                "apiKey",
                "api_key",
                "APIKEY",
                "X-Goog-Api-Key",
                "subscription-key",
                "OPENAI_API_KEY",
                "keys",
            ),
            *("accessToken", "access_token", "x-token", "mytoken", "clientSecret", "client_secret", "client-secret-2"),
            *(
                "authorization",
                "Authorization",
                "x-auth",
                "cookie",
                "password",
                "db.passwd",
                "passphrase",
                "private_key",
            ),
            *("x-signature", "sas", "credentials", "aws_session", "jwt"),
        ):
            self.assertTrue(is_credential_name(name), name)

    def test_other_names(self) -> None:
        for name in (
            *(
                "temperature",
                "max_tokens",
                "max_completion_tokens",
                "thinking_tokens",
                "stop",
                "user",
                "metadata",
                "monkey",
            ),
            *(
                "keyboard",
                "author",
                "tokenizer",
                "secretary",
                "prompt_cache_key",
                "session_id",
                "x-team",
                "passthrough",
            ),
        ):
            self.assertFalse(is_credential_name(name), name)


class ValueTests(unittest.TestCase):
    """Values."""

    def test_keys_that_machines_make(self) -> None:
        for value in (
            *(
                "sk-proj-abcdef-0123456789",
                "AIzaSyA-1234567890abcdef",
                "eyJhbGciOiJIUzI1NiJ9.e30.x",
                "aigw_0123456789abcdef",
            ),
            *(
                "0123456789abcdef0123456789abcdef",
                "Bearer abcdefghijkl",
                "glpat-0123456789ab",
                "ABSKQmVkcm9ja0FQSUtleS",
            ),
        ):
            self.assertTrue(looks_secret(value), value)

    def test_what_people_write(self) -> None:
        for value in (
            *(
                "claude-sonnet-4-5-20250929",
                "gpt-4o-mini-2024-07-18",
                "application/json; charset=utf-8",
                "sk-1",
                "",
                "low",
            ),
            *("arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-3", "12345678901234567890"),
            *(
                "internationalisation-department",
                "ft:gpt-4o-mini-2024-07-18:acme:bot:9rXyZ123",
                "meta-llama/Llama-3.3-70B",
            ),
        ):
            self.assertFalse(looks_secret(value), value)


class SecretsTests(unittest.TestCase):
    """Tables."""

    def test_at_any_depth(self) -> None:
        table: dict[str, Any] = {
            "x-api-key": "a",
            "metadata": {"credentials": {"user": "b", "pass": ["c", {"d": "d"}]}, "team": "ml"},
            "stop": ["x", "sk-proj-abcdef-0123456789"],
            "max_tokens": 5,
            "password": 1,
        }
        self.assertEqual(list(secrets_in(table)), ["a", "b", "c", "d", "sk-proj-abcdef-0123456789"])

    def test_parts_of_a_document(self) -> None:
        """A service account's key is a document; its private key alone is the secret."""
        key = {"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\nabc", "client_email": "a@b"}
        self.assertEqual(list(parts_of(json.dumps(key))), ["-----BEGIN PRIVATE KEY-----\nabc"])
        for other in ("sk-1", "{", "{}", "", "[]"):
            self.assertEqual(list(parts_of(other)), [])

    @given(st.text(max_size=300))
    def test_any_text(self, text: str) -> None:
        """Is judged."""
        looks_secret(text)
        is_credential_name(text)
        list(parts_of("{" + text))
