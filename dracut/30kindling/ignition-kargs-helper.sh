#!/bin/sh
# Default for distributions without a helper of their own, which would know where the boot loader has its kernel
# arguments. Called with any number of "--should-exist ARG" and "--should-not-exist ARG".
echo "This distribution has no ignition-kargs-helper: the kernelArguments of the config cannot be set." >&2
exit 1
