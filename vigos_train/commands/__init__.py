"""The commands of `vigos-train`, one module each, imported only when chosen."""
