"""Events on their way: which endpoints want them, the queue, the signature, every attempt kept."""
