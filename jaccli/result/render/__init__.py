"""Results as text: a module for each format of standard output; `registry` knows it by name."""
