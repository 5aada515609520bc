"""The model's side: an OpenAI-compatible endpoint, what it says and how long it takes."""
