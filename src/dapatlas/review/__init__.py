"""Review in the browser: experts look at the atlas and say, case by case, what holds and what does not.

Needs the extra ``web``; the rooms above import from here only when a review is asked for.
"""
