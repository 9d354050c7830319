"""What crosses a border: JSON Schemas, and beside each the frozen dataclass it becomes."""
