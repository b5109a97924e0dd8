#!/bin/sh
# Stands for all tests in Python where configure has not found it.
echo "these tests need Python 3: install python3 and configure again"
exit 77
