"""`botconvo chat`: a person and one friend, without a show. What is said stays in memory only."""
