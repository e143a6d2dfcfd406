"""The ablation the paper is about: what each loss and each choice of generative features is worth at one budget."""
