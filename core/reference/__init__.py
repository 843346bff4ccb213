"""What a company keeps itself and formulas look into: reference tables and its calendar."""
