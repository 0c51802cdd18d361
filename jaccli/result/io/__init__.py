"""Results in files: a module for each format, which `registry` knows by its suffix."""
