"""`make bench`: voicewire beside its peers, on one machine, in one run."""
