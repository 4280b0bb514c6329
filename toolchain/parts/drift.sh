# Drift: what the engine lost since the last deployment, because of a reboot or of a docker rm.
# shellcheck shell=bash

# repair_drift: tells Pulumi what is gone. Only where something is, because asking the engine for everything takes long,
# and never about images, which a registry without TLS cannot answer.
repair_drift() {
  local gone
  gone=$(lost_containers)
  [[ -n $gone ]] || return 0
  say "state: not running: $(tr '\n' ' ' <<<"$gone")- looking at the engine again"
  pulumi_here refresh --yes --skip-preview --stack "$STACK_NAME" --target '**docker:index/container:Container::**' \
    --target '**docker:index/network:Network::**' --target '**docker:index/volume:Volume::**' >"$LOG_FOLDER/refresh.log" 2>&1 \
    || { log_tail "$LOG_FOLDER/refresh.log"; fail "Pulumi could not compare its state with the engine" "read $LOG_FOLDER/refresh.log"; }
}

# lost_containers: the names of the stack's containers which do not run, one a line.
lost_containers() {
  comm -23 <(known_containers | sort) <(docker ps --format '{{.Names}}' | sort)
}

# known_containers: the names of the containers in the outputs of the last deployment.
known_containers() {
  pulumi_here stack output services --json --stack "$STACK_NAME" 2>/dev/null \
    | python3 -c 'import json, sys
for service in json.loads(sys.stdin.read() or "{}").values():
    print(service["container"])'
}
