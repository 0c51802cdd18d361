"""Tables of numbers as people have them: `.csv`, `.tsv`, `.txt` and `.dat` files.

`keys` declares what a source says of its table, `text` decodes lines, `rows` splits them, `cells`
reads numbers; `readings`, `separators` and `layout` find what is not said; `columns` picks,
`labelled` knows the tables that the program itself writes, and `read` puts them together.

Rule of all of them: what has two readings is refused with both, never guessed.
"""
