# A thin front for dev.py, which does the work: `make` alone tells what there is.
ifndef PYTHON
PYTHON := $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
endif
COMMANDS := demo test check pytest cover matrix boots bench scenarios plots docs clients fmt fix lock clean

.DEFAULT_GOAL := help
.PHONY: help $(COMMANDS)

help $(COMMANDS):
	@test -n "$(PYTHON)" || { echo "Holdfast needs Python 3.11 or newer: none found." >&2; exit 1; }
	@$(PYTHON) dev.py $@ $(ARGS)
