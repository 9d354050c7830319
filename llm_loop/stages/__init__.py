"""The stages of a cycle: one verb, one file, one public function."""
