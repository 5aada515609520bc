"""The model's side: an endpoint that speaks what agents speak, what it says and how long it takes."""
