"""The sections of the paper, one a module: each has one public function that yields its blocks."""
