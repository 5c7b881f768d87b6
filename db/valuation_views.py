"""What the columns of the views of values and of subsets mean."""

from __future__ import annotations

_EXAMPLE = {
    "label": "Class or target of the example; NULL where unknown",
    "grp": "Group of the example, such as its source or domain; NULL where unknown",
    "cost": "What the example costs to train on, in the unit of its source; NULL where unknown",
    "position": "Row of the example in its set and in the embeddings, from 0, unit: rows",
}

#: What each view shows.
VALUATION_VIEW_COMMENTS = {
    "ranked_examples": "One row a value: items of a valuation in order, the most valuable first",
    "chosen_examples": "One row a chosen example: members of a subset in the order in which they were chosen",
}

#: What each column of each view means, in order.
VALUATION_VIEW_COLUMNS = {
    "ranked_examples": {
        "valuation_name": "Name of the valuation",
        "rank": "Place by value within the valuation, the highest is 1, unit: places; items without a value come last",
        "item": "Identifier of the example, or name of the source; the position where there is none",
        "value": "The value, in the unit of the column unit; NULL unless value_status is ok",
        "value_status": "ok, nan, inf, -inf or missing",
        "low": "Lower end of the interval, in the unit of the value; NULL where there is none",
        "high": "Upper end of the interval, in the unit of the value; NULL where there is none",
        **_EXAMPLE,
        "what": "What has a value: examples or sources",
        "method": "How values were found",
        "unit": "Unit of the values; NULL where they have none",
        "set_name": "Set whose examples were valued; NULL where there is none",
    },
    "chosen_examples": {
        "subset_name": "Name of the subset",
        "rank": "Turn in which the example was chosen, from 0, unit: turns",
        "example_id": "Identifier of the example; the position where there is none",
        "gain": "What it added to the objective in its turn, in the unit of the objective; NULL where unknown",
        **_EXAMPLE,
        "objective": "What was maximised; random where nothing was",
        "method": "How it was chosen",
        "is_random": "Whether the subset was drawn at random",
        "set_name": "Set that it was chosen from; NULL where there is none",
    },
}
