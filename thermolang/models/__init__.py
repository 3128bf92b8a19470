"""A local Hugging Face model as thermolang needs it."""
