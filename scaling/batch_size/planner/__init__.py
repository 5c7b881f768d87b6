"""Time against compute at a critical batch size: the front, how many GPUs help, deadlines, money and warm-up."""
