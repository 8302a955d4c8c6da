"""Recipes: `presets` names every part, `build` makes them, `launch` trains and resumes, `words` reads a command's words."""
