"""Uncertainty propagation: the covariance of a model's outputs from that of its inputs.

spec, point → input_covariance → propagation_law → coverage_factor → what people read
                     ↘ second_order, monte_carlo ↗

After JCGM 100:2008 (the GUM), JCGM 101:2008 (its Supplement 1) and JCGM 102:2011 (Supplement 2).
"""
