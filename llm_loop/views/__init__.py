"""What a person sees: status computed once, drawn in a terminal or given as JSON."""
