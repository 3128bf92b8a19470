"""The pages of the desk: for each one its Gradio components, and what its events do."""
