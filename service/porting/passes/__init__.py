"""Each file here turns one kind of finding into edits; they may run in any order."""
