"""How good the clones are: measured on messages that they have not seen, and on lines that they
say. Reads checkpoints and the corpus, and changes neither."""
