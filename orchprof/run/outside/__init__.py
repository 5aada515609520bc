"""What was seen from outside: processes that did not record themselves, servers, and who waited for whom."""
