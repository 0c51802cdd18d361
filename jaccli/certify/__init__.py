"""How many digits of a derivative are correct, by ball arithmetic of 1,500 bits (python-flint).

    balls           numbers with a bound of their error; comparisons that are certain, or refused
    elementwise, arrays, matrices   what the functions of the expression language do to them
    table           function name -> implementation, and the functions that have none
    evaluate        a checked expression evaluated over balls
    differences     derivatives by differences with a step of 2**-500: hundreds of digits remain
    certificate     these held against a computed derivative, entry by entry

Boundary: never imports JAX; nothing here shares code with what it certifies.
"""
