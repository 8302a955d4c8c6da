"""Recipes: everything that a run needs, in one tree of settings, and the way from a recipe to a trained model.

    presets    names every part
    words      reads the words of a command
    build      makes the parts: dataset, model, batches
    sizes      what a text decides: the vocabulary, the size of the model, the steps
    measure    what the machine decides: precision, and the steps that fit into a time
    launch     trains and resumes
    extend     adds steps to a run
"""
