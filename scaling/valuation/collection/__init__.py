"""Where to buy the next data: learning curves of groups or sources, and a collection budget spent on them."""
