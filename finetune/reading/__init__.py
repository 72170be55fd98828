"""What the importers share: files on disk and in zips, streams of JSON items and HTML blocks."""
