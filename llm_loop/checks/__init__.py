"""What `llm-loop doctor` looks at: each check asks one thing, changes nothing, and names the mend of what is wrong."""
