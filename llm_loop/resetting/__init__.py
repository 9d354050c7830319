"""Begin afresh: what of a workspace goes, what stays, and how it goes so that nothing is lost on the way."""
