"""What every HTML page shares: the frame, charts and tables, with their style and script."""
