"""Forms made from JSON Schemas: what a form can say has fields, what it cannot is written as JSON."""
