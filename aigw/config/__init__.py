"""From the configuration file to checked, typed settings. No Twisted."""
