#!/bin/sh
# Stands for all unit tests where configure has not found cmocka.
echo "the unit tests need cmocka 1.1.5 or later: install libcmocka-dev and configure again"
exit 77
