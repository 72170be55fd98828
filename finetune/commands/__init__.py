"""The commands of the fine-tuning package; with cli.py the only files of it that print."""
