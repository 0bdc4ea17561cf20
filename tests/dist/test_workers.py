"""The daemon with two workers: everything that the single process promises, and what is new between several."""

from __future__ import annotations

from tests.dist import test_gateway as single


class ReloadTests(single.ReloadTests):
    workers = 2


class DrainTests(single.DrainTests):
    workers = 2


class LeavingTests(single.LeavingTests):
    workers = 2


class UpstreamFaultTests(single.UpstreamFaultTests):
    workers = 2


class AccountTests(single.AccountTests):
    workers = 2


class RefusalTests(single.RefusalTests):
    workers = 2


class ListenerTests(single.ListenerTests):
    workers = 2


class ManyStreamsTests(single.ManyStreamsTests):
    workers = 2
