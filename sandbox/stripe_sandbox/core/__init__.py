"""What everything stands on: ids, errors, the store of objects, the clock, faults on demand."""
