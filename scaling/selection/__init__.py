"""The law that forecasts the largest runs best, held out."""
