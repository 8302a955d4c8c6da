"""To and from other tools' formats. So far one way: a Hugging Face GPT-2 folder comes in."""
