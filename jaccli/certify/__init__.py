"""How many digits of a derivative are correct, by ball arithmetic of 1,500 bits (python-flint).

    balls           numbers with a bound of their error; comparisons that are certain or raise
    elementwise, arrays, matrices   the functions of the expression language for them
    table           function name -> implementation, and the functions that have none
    evaluate        a checked expression evaluated over balls
    differences     derivatives by differences with a step of 2**-500: hundreds of digits remain
    certificate     a computed derivative compared with these, entry by entry

Boundary: never imports JAX; nothing here shares code with what it certifies.
"""
