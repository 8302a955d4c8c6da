"""Training: one loop for every stage. Data + loss + (wrapped) model go in; a run folder comes out."""
