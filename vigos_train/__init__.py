"""ViGOS training: self-distillation of perception and reasoning on Qwen2.5-VL with LoRA."""
