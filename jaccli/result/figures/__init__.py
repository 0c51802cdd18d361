"""Figures of results: heat maps, spy plots, bars, lines and curves, drawn by matplotlib.

    style        colors and fonts, the extra `figures`, and how a figure becomes bytes
    cells        a matrix reduced to the cells of a picture
    color_scale  numbers as colors, 0 in the middle
    heat_map     one matrix in one set of axes
    vector       one vector: bars, or a line
    curves       numbers against what a sweep varies, and bars of shares
    of_result    the panels of a result, laid out, with a caption

matplotlib is imported where something is drawn, never before.
"""
