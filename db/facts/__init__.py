"""What a run was, from what its log says of it: parameters, tokens, batch, learning rate, corpus, compute.

A fact has a value, the rule that gave it and the keys that the rule read, so that nobody has to believe it. Where two
keys of equal standing disagree there is no fact but a sentence, and what is missing is said with what would give it.
"""
