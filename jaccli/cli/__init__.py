"""The command line: options into calls of the packages below.

The only printer and the only catcher of errors.  JAX is imported once a spec has been found right.
"""
