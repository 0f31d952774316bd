# Names only: the work is in apps/cli and infra/local. Every target is `./ironsys <command>`.
.DEFAULT_GOAL := help
.PHONY: up test sim chaos fuzz verify demo down logs clean rebuild psql redis-cli monitor-lag create-topics lint bench help

up: ## start everything (DETACH=1 returns when it is ready)
	@./ironsys up $(if $(DETACH),--detach)

test: ## run the tests on real servers of their own (ARGS='…' goes to vitest)
	@./ironsys test $(ARGS)

chaos: ## crash tests on real servers (MINUTES=5 SEED=… RATE=300 FAULTS=worker,kafka,… ROLLING=1)
	@./ironsys chaos $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(if $(RATE),--rate $(RATE)) $(if $(FAULTS),--faults $(FAULTS)) $(if $(ROLLING),--rolling) $(ARGS)

sim: ## simulate crashes and faults (SEEDS=10000, or SEED=7 with its trace, or MUTANTS=1)
	@./ironsys sim $(if $(SEED),--seed $(SEED)) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(FROM),--from $(FROM)) $(if $(MUTANTS),--mutants)

fuzz: ## schemathesis over the API on real servers (REQUESTS=5000 MINUTES=6 SEED=…)
	@./ironsys fuzz $(if $(REQUESTS),--requests $(REQUESTS)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(ARGS)

verify: ## lint, typecheck, dependency rules, generated files, nginx and Chromium, a short chaos
	@./ironsys verify

demo: ## an on-sale with 5,000 buyers, then the audit
	@./ironsys demo $(ARGS)

down: ## stop what make up started
	@./ironsys down

logs: ## the end of the logs (NAME=api, FOLLOW=1)
	@./ironsys logs $(NAME) $(if $(FOLLOW),--follow)

clean: ## remove the local stack's data
	@./ironsys clean

rebuild: ## fetch the toolchain and the dependencies anew
	@./ironsys rebuild

psql: ## open the database
	@./ironsys psql $(ARGS)

redis-cli: ## open Redis
	@./ironsys redis-cli $(ARGS)

monitor-lag: ## how far the worker is behind the log
	@./ironsys lag $(ARGS)

create-topics: ## make or check the topics
	@./ironsys topics

lint: ## format, style and types
	@./ironsys lint

bench: ## rates and latencies, beside the bare pipeline
	@./ironsys bench $(ARGS)

help: ## this list
	@sed -n 's/^\([a-z-]*\): ## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 24
