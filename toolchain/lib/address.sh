# Finds who listens at an address, unix:///path or http://127.0.0.1:port, from the kernel's tables.
# shellcheck shell=bash

# refuses ADDRESS: nothing listens there. The kernel answers at once, even on a busy machine.
refuses() {
  local status=0
  if [[ $1 == unix://* ]]; then
    curl --silent --output /dev/null --max-time 2 --unix-socket "${1#unix://}" http://localhost/ || status=$?
  else
    curl --silent --output /dev/null --max-time 2 --noproxy '*' "$1" || status=$?
  fi
  ((status == 7))
}

# has_lost_socket ADDRESS: a process listens on the socket, but its file is gone or refuses. Checked in this order, because a
# starting process listens before it can be reached.
has_lost_socket() {
  [[ $1 == unix://* && -n "$(listening_inode "$1")" ]] && refuses "$1"
}

# listener ADDRESS: "NAME (process NUMBER)" of the program that listens there, "another program" if it is not visible.
listener() {
  local inode folder target
  inode=$(listening_inode "$1")
  while read -r folder target; do
    folder=${folder%/fd}
    if [[ -n $inode && $target == "socket:[$inode]" ]]; then
      printf '%s (process %s)' "$(<"$folder/comm")" "${folder#/proc/}"
      return
    fi
  done < <(find /proc/[0-9]*/fd -mindepth 1 -printf '%h %l\n' 2>/dev/null)
  printf 'another program'
}

# listening_inode ADDRESS: the inode of the listening socket; empty if there is none.
listening_inode() {
  if [[ $1 == unix://* ]]; then
    # The path is the eighth field and may contain spaces.
    SOCKET=${1#unix://} awk '$4 == "00010000" { inode = $7; for (i = 0; i < 7; i++) sub(/^[^ ]+ +/, ""); if ($0 == ENVIRON["SOCKET"]) { print inode; exit } }' /proc/net/unix
  else
    awk -v port="$(printf ':%04X' "${1##*:}")" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10; exit }' /proc/net/tcp /proc/net/tcp6
  fi
}
