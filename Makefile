# For developers; README's two commands need no make.
.PHONY: demo test check
demo:
	sh lab/demo.sh
test:
	sh tests/run.sh
check:
	sh tests/setup.sh && sh tests/check.sh
