"""Import from and export to other tools' formats. So far there is an import of Hugging Face GPT-2 folders."""
