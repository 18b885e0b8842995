"""Do the tests notice? Each small fault in the code that counts money should turn a test red."""
