"""Fine-tuning: from chat exports to one checkpoint per friend."""
