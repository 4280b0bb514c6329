# The everyday commands. toolchain/ installs and starts what they need.
STACK ?= dev
export STACK STAGE FOLLOW DATA IMAGE DETAIL KEY TO
# The film's name exactly as typed: make expands no $ in it.
export FILM_PATH = $(value FILM)

.DEFAULT_GOAL := help
.PHONY: help up down destroy ps logs restart film preview build env secret export builder sizes quality models native-environment check test test-busy test-torch

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

up: ## Install and start what is missing, deploy the stack, subtitle the sample film
	@toolchain/up.sh

down: ## Remove containers and networks; keep images, models and films
	@toolchain/down.sh

destroy: ## Remove the stack; keep models, queue (unless DATA=yes) and films: make destroy [DATA=yes]
	@toolchain/destroy.sh

ps: ## Show the stack's containers and their health
	@toolchain/ps.sh

logs: ## Show the log of a service: make logs STAGE=asr [FOLLOW=1]
	@toolchain/logs.sh

restart: ## Restart a service: make restart STAGE=asr
	@toolchain/restart.sh

film: ## Subtitle a film: make film FILM=path
	@toolchain/film.sh

preview: ## Show what make up would change and why: make preview [DETAIL=yes]
	@toolchain/preview.sh

build: ## Build and push the images, or one with its ancestors, and deploy nothing: make build [IMAGE=asr]
	@toolchain/build.sh

env: ## Print the environment for plain Pulumi commands: eval "$(make --silent env)"
	@toolchain/env.sh

secret: ## Store a secret outside the repository: make secret KEY=tmdbApiKey
	@toolchain/secret.sh

export: ## Write the stack as docker-bake.json and compose.yaml: make export [TO=folder]
	@toolchain/export.sh

builder: ## Restart the builder after an edit of ~/.cp-whisperx/registries.toml
	@toolchain/builder.sh

sizes: ## Write the sizes of the deployed stack's images into docs/sizes.md
	@toolchain/sizes.sh

quality: ## Subtitle film-like clips and print the errors: words, speakers, songs, cues
	@toolchain/quality.sh

models: ## Refill the model cache: after you accepted a licence, or a model is damaged
	@toolchain/models.sh

native-environment: ## Create the Python environment that stack native mounts: make native-environment [FOLDER=.bollyenv]
	@toolchain/native-environment.sh

check: ## Run every check and test that needs no engine
	@toolchain/test.sh check

test: ## Run every check and test, including the whole stack on the engine
	@toolchain/test.sh all

test-busy: ## Run make up twice and make test under CPU and disk load
	@toolchain/test-busy.sh

test-torch: ## Run the tests that need torch; downloads 7 GB once
	@toolchain/test.sh torch
