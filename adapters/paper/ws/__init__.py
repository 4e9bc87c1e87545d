"""The WebSocket surface and what it pushes."""
