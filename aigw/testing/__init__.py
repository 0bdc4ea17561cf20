"""An upstream for tests that does exactly what its script says, faults included.

Shipped, so that whoever runs the gateway can try their own configuration against every way a provider can
fail::

    upstream = ScriptedUpstream(reactor)
    upstream.listen()
    upstream.script(answers.cut_after(3), "429")     # then OpenAI's usual answers
    ...                                              # point a backend's url at upstream.url
    request = await upstream.request(1)              # method, target, headers, body as they arrived
    await request.client_gone()

What it answers has OpenAI's shape unless the script says otherwise; :mod:`aigw.testing.said` tells of the modules with
the shapes of other providers.

Nothing here shares code with the gateway's own client or dialects: a mistake in those would otherwise stand
on both sides of a test.
"""

from aigw.testing import answers
from aigw.testing.answers import FAULTS
from aigw.testing.script import Act, Answer, ReceivedRequest, Step
from aigw.testing.upstream import ScriptedUpstream

__all__ = ["FAULTS", "Act", "Answer", "ReceivedRequest", "ScriptedUpstream", "Step", "answers"]
