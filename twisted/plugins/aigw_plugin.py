"""The ``twistd aigw`` command. Lazy: ``twistd --help`` reads this file and imports nothing of aigw."""

from twisted.application.service import ServiceMaker

aigw = ServiceMaker(
    "aigw",
    "aigw.tap",
    "An AI gateway: consumers' keys in, providers' keys out, streams in between.",
    "aigw",
)
