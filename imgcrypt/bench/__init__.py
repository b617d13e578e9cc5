"""The harness that measures what the paper's tables state, and the ciphers that ours is compared with."""
