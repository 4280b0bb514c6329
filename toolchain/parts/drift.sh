# Drift: what the engine lost since the last deployment, by a reboot or a docker rm.
# shellcheck shell=bash

# repair_drift OUTPUTS: refreshes Pulumi's state if a container of the last deployment is gone. Otherwise skips it, because
# a refresh is slow; also after make down, which leaves no containers in the state. Leaves out images: the provider cannot read
# a registry without TLS.
repair_drift() {
  local lost service targets=()
  state_contains docker:index/container:Container || return 0
  lost=$(lost_services "$1")
  [[ -n $lost ]] || return 0
  say "state: not running: ${lost//$'\n'/, }; refreshing the state"
  for service in $lost; do
    targets+=(--target "**docker:index/container:Container::$service")
  done
  pulumi_here refresh --yes --skip-preview --stack "$STACK_NAME" "${targets[@]}" \
    --target '**docker:index/network:Network::**' --target '**docker:index/volume:Volume::**' >"$LOG_FOLDER/refresh.log" 2>&1 \
    || { log_tail "$LOG_FOLDER/refresh.log"; fail "Pulumi could not compare its state with the engine" "read $LOG_FOLDER/refresh.log"; }
}

# lost_services OUTPUTS: the services of the last deployment without a running container, one per line.
lost_services() {
  local running
  running=$(on_engine docker ps --format '{{.Names}}') \
    || fail "the engine does not list its containers" "see the message above; $(docker_command) ps shows the same"
  join -v 1 -o 1.2 <(known_containers <<<"$1" | sort) <(sort <<<"$running")
}

# known_containers: "CONTAINER SERVICE" for each service in the outputs on standard input.
known_containers() {
  python3 -c 'import json, sys
for service, facts in json.load(sys.stdin).get("services", {}).items():
    print(facts["container"], service)'
}
