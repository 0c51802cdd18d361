"""Tables of numbers as people have them: `.csv`, `.tsv`, `.txt` and `.dat` files.

`keys` declares what a source says of its table, `text` decodes it, `layout` finds what is not said,
`cells` reads numbers, `columns` picks, `labelled` knows the tables that the program itself writes,
and `read` puts them together.

Rule of all of them: what has two readings is refused with both, never guessed.
"""
