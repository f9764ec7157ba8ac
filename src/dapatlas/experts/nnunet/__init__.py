"""Predicting with trained nnU-Nets, version 2 and (translated) version 1, in bounded memory."""
