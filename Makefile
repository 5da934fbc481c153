# Everything is done by a target of this file; "make help" lists them. What a target needs it gets: tools and state go under
# .local and the console's packages under console/node_modules, and nowhere else, but for PostgreSQL and Node.js, which come from
# the system's package manager where there are none.

.DEFAULT_GOAL := help
.PHONY: help run console token test e2e screenshots measure race faults bench lint fmt sam moto build clean reset setup node
# What a failed build leaves must not pass for the page.
.DELETE_ON_ERROR:

GOLANGCI_VERSION := v2.15.0
GOLANGCI := .local/tools/golangci-lint-$(GOLANGCI_VERSION)

# A word for the shell, whatever is in it.
quote = '$(subst ','\'',$1)'

# What "make run" hands on: make run PORT=9000 BACKUP_SCHEDULE='rate(5 minutes)'.
UP := $(if $(PORT),-api-port=$(PORT)) $(if $(AWS_PORT),-aws-port=$(AWS_PORT)) $(if $(ISSUER_PORT),-issuer-port=$(ISSUER_PORT)) \
	$(if $(POSTGRES_PORT),-postgres-port=$(POSTGRES_PORT)) \
	$(if $(BACKUP_SCHEDULE),-param='BackupSchedule=$(BACKUP_SCHEDULE)') $(if $(BACKUP_TIME_ZONE),-param='BackupTimeZone=$(BACKUP_TIME_ZONE)') \
	$(if $(CRON_KEY_GRACE_MINUTES),-param='CronKeyGraceMinutes=$(CRON_KEY_GRACE_MINUTES)') \
	$(if $(APPLY_WINDOW_MINUTES),-param='ApplyWindowMinutes=$(APPLY_WINDOW_MINUTES)') $(if $(UNDO_WINDOW_HOURS),-param='UndoWindowHours=$(UNDO_WINDOW_HOURS)')

# Many have DATABASE_URL in their environment, for something else: only what is said to make itself is meant.
ifeq ($(origin DATABASE_URL),command line)
# value: a password may have a $, which is not make's.
UP += -database-url=$(call quote,$(value DATABASE_URL))
else ifeq ($(origin DATABASE_URL),environment)
NOTE := echo "DATABASE_URL of the environment is not used: make run DATABASE_URL=... uses it."
endif

# What the console's page is made of. A folder's own time tells of files that are gone; the types are made by the build itself.
CONSOLE_SOURCES := console/package.json console/package-lock.json console/index.html console/tsconfig.json console/vite.config.ts console/compress.ts \
	docs/openapi.json $(shell find console/src -not -name 'schema.d.ts' -not -name '*.test.*' -not -name '.*')
CONSOLE_PACKAGES := console/node_modules/.package-lock.json
CONSOLE_PAGE := console/dist/page/index.html

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  make run takes PORT, AWS_PORT, ISSUER_PORT, POSTGRES_PORT, DATABASE_URL=postgres://user:password@host:port/name (your own"
	@echo "  database instead of the demo), BACKUP_SCHEDULE='cron(0 2 * * ? *)', BACKUP_TIME_ZONE, CRON_KEY_GRACE_MINUTES,"
	@echo "  APPLY_WINDOW_MINUTES, UNDO_WINDOW_HOURS."
	@echo "  make test takes TESTFLAGS='-run Name -v'."
	@echo "  make bench takes SIZE=100MB (1GB where not given), RUNS=1 (5), ONLY='gzip|ours' (the rows whose names match; inspection is one)."

run: setup $(CONSOLE_PAGE) ## Start everything on this machine, until Ctrl-C
	@$(NOTE)
	@exec infra/up.sh $(UP)

console: $(CONSOLE_PAGE) ## Build the console's page, which is embedded in the api function

token: ## Print a bearer token for scripts: make token ROLE=super-admin (or operator, auditor)
	@cd infra/local && go build -o ../../.local/tools/local . && cd ../.. && .local/tools/local token -role $(call quote,$(value ROLE))

test: setup $(CONSOLE_PAGE) ## Run all tests, on a real PostgreSQL, the S3 protocol and the real binaries
	@go run -C infra/local ./testservices -- "$(CURDIR)/infra/test.sh" $(TESTFLAGS)

e2e: setup $(CONSOLE_PAGE) ## Run the console in a real browser, on the whole product
	@infra/e2e.sh

screenshots: setup $(CONSOLE_PAGE) ## Make the pictures of docs/images anew
	@infra/screenshots.sh

measure: setup $(CONSOLE_PAGE) ## Measure how soon each view of the console can be used, and what it loads
	@infra/measure.sh

race: setup ## Run the tests of what is concurrent under the race detector
	@go run -C infra/local ./testservices -- "$(CURDIR)/infra/race.sh"

faults: setup ## Kill workers in the middle of every kind of job, wait as long as operators would, and print a table of what came of it
	@cd infra/local && E2E_REAL_TIMES=1 go test -count=1 -run '^TestKill' -v ./e2e

bench: setup ## Measure backups and restores beside pg_dump, gzip and others, and the inspection of uploads: docs/benchmarks.md
	@infra/local/setup.sh compressors
	@cd infra/local && go build -o ../../.local/tools/bench ./bench
	@.local/tools/bench $(if $(SIZE),-size=$(call quote,$(value SIZE))) $(if $(RUNS),-runs=$(call quote,$(value RUNS))) $(if $(value ONLY),-only=$(call quote,$(value ONLY)))

lint: $(GOLANGCI) $(CONSOLE_PACKAGES) ## Check format, types, and the rules of .golangci.yml and of the console's eslint.config.js
	@infra/lint.sh $(GOLANGCI)

fmt: $(GOLANGCI) $(CONSOLE_PACKAGES) ## Format the sources
	@$(GOLANGCI) fmt ./... && cd infra/local && ../../$(GOLANGCI) fmt ./...
	@cd console && npm run --silent fmt

sam: $(CONSOLE_PAGE) ## Check template.yaml by sam validate, cfn-lint and sam build (from PyPI)
	@infra/sam/check.sh

moto: ## Run the conformance suite of the AWS protocols against moto too (from PyPI)
	@infra/local/moto.sh

build: $(CONSOLE_PAGE) ## Compile the functions for Lambda (linux/arm64) into .local/build
	@for f in api worker schedule janitor; do \
		CGO_ENABLED=0 GOOS=linux GOARCH=arm64 go build -trimpath -tags lambda.norpc -ldflags '-s -w' -o .local/build/$$f/bootstrap ./functions/$$f || exit 1; \
		echo ".local/build/$$f/bootstrap"; \
	done

clean: ## Delete what can be made again: tools, binaries and the bench databases under .local, the console's packages and page
	@infra/delete.sh tools bin build sam sam-build moto ci bench
	@rm -rf console/node_modules console/dist/page console/src/api/schema.d.ts

reset: ## Delete the local stack's state under .local: its databases, buckets, queues, keys
	@infra/delete.sh postgres aws issuer tmp

setup: node
	@infra/local/setup.sh go postgres

node:
	@infra/local/setup.sh node

$(CONSOLE_PACKAGES): console/package-lock.json | node
	@echo "installing the console's packages"
	@cd console && npm ci --no-progress
	@touch $@

$(CONSOLE_PAGE): $(CONSOLE_PACKAGES) $(CONSOLE_SOURCES) | node
	@echo "building the console"
	@cd console && npm run --silent build

# The version is in the name, so that another version is another file.
$(GOLANGCI):
	@echo "building golangci-lint $(GOLANGCI_VERSION) (once, some two minutes)"
	@mkdir -p .local/tools
	@GOBIN="$(CURDIR)/.local/tools" go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv .local/tools/golangci-lint $@
