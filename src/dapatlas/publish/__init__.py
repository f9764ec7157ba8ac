"""Publishing: the preview table, the dataset card, splits, exports, statistics, and what goes to the Hub."""
