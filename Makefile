# What an operator and CI type. LAB=none uses the controller that `juju` has, and starts and builds nothing.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
export LAB ?= debian
lab := lab/bin/lab
uv := lab/bin/uv
tox := $(uv) run --quiet --frozen --group tox tox
# The lab's juju and kubectl, for what runs on it; in two steps, since eval alone goes on where the first one fails.
on := exports=$$($(lab) env); eval "$$exports";

# Each target waits for those before it: one lab has one who builds it.
.NOTPARALLEL:

.PHONY: help up down status env pack kafka images images-previous neighbours demo test soak bench lint unit stateful terraform clean-lab

help:
	@echo 'make demo      the suite and a real workflow, from nothing'
	@echo 'make test      all tests; make soak: those that take longer, too'
	@echo 'make up | status | down | clean-lab'
	@echo 'make pack | images | images-previous | neighbours | lint | unit | terraform'
	@echo 'make bench     figures; PART=server|worker|events|rebuild: that part only, ROUNDS=n: medians of n instead of 5'
	@echo 'eval "$$(make -s env)"   lets this shell speak to the lab'

up down status env pack kafka images:
	@$(lab) $@

# The release before the present one, too: what upgrades start from.
images-previous:
	@$(lab) images --previous

# Kafka, RabbitMQ and S3 as charms, which only long tests relate to, workflow code that uses them, and OpenStack's Swift.
neighbours:
	@$(lab) pack --neighbours
	@$(lab) images --neighbours

clean-lab:
	@$(lab) clean

demo: up pack kafka images
	@$(on) $(uv) run --quiet --frozen --all-packages --group integration --group lab python -m demo

lint unit stateful:
	@$(tox) run -q -e $@

# What needs no cluster comes first: most mistakes are found in a minute.
test: lint unit stateful up pack kafka images-previous
	@if [ "$$LAB" != none ]; then $(on) $(tox) run -q -e lab; fi
	@$(on) $(tox) run -q -e integration

soak: export HYPOTHESIS_PROFILE = soak
soak: export WORKFLOW_MARKS = lab
# One after the other: some count seconds.
soak: export INTEGRATION_PROCESSES = 0
soak: lint unit up pack kafka images-previous neighbours
	@$(tox) run -q -e stateful -- -m ''
	@if [ "$$LAB" != none ]; then $(on) $(tox) run -q -e lab -- -m ''; fi
	@$(on) $(tox) run -q -e integration -- -m ''

# What only the provider of Juju can tell about the modules: needs terraform or tofu, and a registry that has the provider.
TERRAFORM ?= terraform
terraform:
	@$(TERRAFORM) fmt -check -recursive terraform
	@for tests in $$(find terraform -name tests -type d -not -path '*/.terraform/*' | sort); do \
		echo "$${tests%/tests}"; \
		$(TERRAFORM) -chdir="$${tests%/tests}" init -backend=false -input=false >/dev/null; \
		$(TERRAFORM) -chdir="$${tests%/tests}" validate; \
		$(TERRAFORM) -chdir="$${tests%/tests}" test; \
	done

# What each part of the figures needs; the plan of a rebuild needs no lab.
part := $(or $(PART),all)
needs_all := up pack kafka images-previous
needs_server := up pack images-previous
needs_worker := up pack images
needs_events := up pack kafka images
bench: $(needs_$(part))
	@$(on) $(uv) run --quiet --frozen --all-packages --group integration --group lab python -m bench \
		--part '$(part)' $(if $(ROUNDS),--rounds '$(ROUNDS)')
