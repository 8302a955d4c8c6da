"""What all HTML pages share: the frame, charts and tables, with their style and script."""
