"""What can go wrong in a benchmark run; each of these ends it with a message and exit status 1."""


class BenchError(Exception):
    """The run cannot go on; the message says why and, where there is one, the remedy."""


class WrongAnswerError(BenchError):
    """A measured answer was not the right one, so its speed means nothing."""


class NoAnswerError(WrongAnswerError):
    """Nothing was wrong, but nothing came."""
