"""Engines: hf, vllm, server, recorded, behind one signature (base.Engine)."""
