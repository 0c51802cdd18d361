"""Functions of the table with derivatives that are right to the last digits, of every order.

The derivative of each is another function, with a rule of its own (`rule.with_slopes`): nothing is
lost where a function saturates, cancels or ties.  One module for each family.

Boundary: arrays in, arrays out; knows neither expressions nor the table.
"""
