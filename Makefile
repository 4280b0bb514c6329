# The everyday commands. What each needs is installed or started by toolchain/.
STACK ?= dev
export STACK STAGE FOLLOW DATA
# The film's name as it was typed, whatever it holds.
export FILM_PATH = $(value FILM)

.DEFAULT_GOAL := help
.PHONY: help up down destroy ps logs restart film preview env builder sizes quality models native-environment check test test-busy test-torch

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

up: ## Install and start what is missing, deploy the stack, subtitle the sample film
	@toolchain/up.sh

down: ## Remove containers and networks; images, models and films stay
	@toolchain/down.sh

destroy: ## End the stack; models, queue and films stay: make destroy [DATA=yes]
	@toolchain/destroy.sh

ps: ## Show the stack's containers and their health
	@toolchain/ps.sh

logs: ## Show the log of a service: make logs STAGE=asr [FOLLOW=1]
	@toolchain/logs.sh

restart: ## Restart a service: make restart STAGE=asr
	@toolchain/restart.sh

film: ## Subtitle a film: make film FILM=path
	@toolchain/film.sh

preview: ## Show what make up would change
	@toolchain/preview.sh

env: ## Print the exports for a Pulumi of your own: eval "$(make --silent env)"
	@toolchain/env.sh

builder: ## Start the builder anew, with what registries.toml in ~/.cp-whisperx says of other registries
	@toolchain/builder.sh

sizes: ## Write what the deployed stack's images weigh into docs/sizes.md
	@toolchain/sizes.sh

quality: ## Subtitle clips shaped like films, and print what is wrong: words, speakers, songs, cues
	@toolchain/quality.sh

models: ## Fill the model cache anew: after a licence was accepted, or a model damaged
	@toolchain/models.sh

native-environment: ## Make the Python environment that stack native mounts: make native-environment [FOLDER=.bollyenv]
	@toolchain/native-environment.sh

check: ## Every check and test that needs no engine
	@toolchain/test.sh check

test: ## Every check and test, the whole stack on the engine included
	@toolchain/test.sh all

test-busy: ## make up twice and make test, beside eight endless loops and a disk writer
	@toolchain/test-busy.sh

test-torch: ## The tests that need torch, with the packages of the CUDA images: 7 GB, downloaded once
	@toolchain/test.sh torch
