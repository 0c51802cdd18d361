"""A spec's model for UM-Bridge clients: its values and its derivatives' products over HTTP."""
