"""The procedure of a run outside of its slot: validate it, understand why it failed, mend it, take that back."""
