"""Who may come in: keys, consumers and twisted.cred."""
