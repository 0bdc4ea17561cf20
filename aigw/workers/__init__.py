"""One gateway in several processes.

Theory of operation. The parent (:class:`~aigw.workers.parent.Parent`) is the daemon that the service manager knows. It
reads the configuration, owns the listening sockets, the access log's file and the admin site, and serves nobody. Its
workers are new interpreters (spawned and executed, not forked: nothing of the parent's event loop gets into them),
each with a :class:`~aigw.serving.Serving` like the one of a gateway that is one process. Between the two is a socket
pair (:mod:`aigw.workers.link`), over which the settings, secrets included, and the listening sockets come in, and three
verbs change what is served: prepare, then commit or drop. A worker writes its access log into a pipe that the parent
reads, so that lines of several workers never mix; its own log goes the same way through standard error.

A worker that ends is replaced (:class:`~aigw.workers.supervisor.WorkerSupervisor`), one whose event loop stands still
is ended first. When the parent is gone its workers drain and end.
"""
