#!/bin/sh
# Stands in for the helper of a distribution, which knows where its boot loader keeps kernel arguments.
# Called with any number of "--should-exist ARG" and "--should-not-exist ARG".
echo "This distribution has no ignition-kargs-helper: the kernelArguments of the config cannot be set." >&2
exit 1
