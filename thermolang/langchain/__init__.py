"""LangChain: the wrapper, the callback and the router."""
