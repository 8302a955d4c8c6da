"""Looking inside: so far, at tokens (`lens/tokens`)."""
