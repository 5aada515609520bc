"""What the types of the contract become: JSON values, JSON Schemas, the page of metrics, and a check of a record."""
