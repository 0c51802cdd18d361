"""Tables and reports for people: Markdown, LaTeX and HTML of the same `DocumentContent`.

document    what is written: titled tables, an account, warnings
markdown, latex, html_page    one format each: texts in, lines out
of_result   the document of a result
"""
