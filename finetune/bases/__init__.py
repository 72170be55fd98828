"""What fine-tuning begins from: found, fetched, taken over, or trained from scratch."""
