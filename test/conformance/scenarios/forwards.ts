/** Streams beside the session: ports and sockets, both ways, and the agent. */
import type { Rule, Scenario } from '../scenario.ts'

const ports: Rule = {
  find: /\b[1-5]\d{4}\b|\b\d{5}\b/g,
  replace: 'PORT',
  why: 'free ports differ from run to run',
}

/** stream.py serves (echo, source) and connects; it prints the port that it serves at. */
const serve = `
serve() { python3 "$CLIENTS/stream.py" serve "$@" >port.$1 & servers="\${servers-} $!"; until test -s port.$1; do sleep 0.02; done; }
connect() { python3 "$CLIENTS/stream.py" connect "$@"; }
free() { python3 "$CLIENTS/stream.py" free; }
trap 'kill $servers 2>/dev/null; wait $servers 2>/dev/null' EXIT
`

export const forwards: readonly Scenario[] = [
  {
    name: 'ssh -W carries a stream, and says why it cannot',
    script: `${serve}
serve echo; port=$(cat port.echo)
some 5000000 | ssh -W 127.0.0.1:$port target | digest
closed=$(free); ssh -W 127.0.0.1:$closed target </dev/null; echo $?`,
    rules: [ports],
    says: /^\w{64}\n255\n$/,
  },
  {
    name: 'ssh -L leads to a port, whoever ends first',
    script: `${serve}
serve echo; serve source; local=$(free); second=$(free)
open_master -oExitOnForwardFailure=yes -L $local:127.0.0.1:$(cat port.echo) -L $second:127.0.0.1:$(cat port.source); echo $?
connect tcp:$local "$FILES/random" | digest
for i in 1 2 3 4 5 6; do connect tcp:$local "$FILES/program" | digest & all="\${all-} $!"; done; wait $all
connect tcp:$second "$FILES/program" | digest
connect tcp:$second /dev/null | digest
close_master`,
    rules: [ports],
    says: /^0\n(\w{64}\n){9}$/,
  },
  {
    name: 'ssh -R listens on the target, at a port of its choice too',
    script: `${serve}
serve echo; remote=$(free)
open_master -oExitOnForwardFailure=yes -R $remote:127.0.0.1:$(cat port.echo); echo $?
connect tcp:$remote "$FILES/program" | digest
chosen=$(ssh -S m -O forward -R 0:127.0.0.1:$(cat port.echo) target); connect tcp:$chosen "$FILES/program" | digest
ssh -S m -O cancel -R $remote:127.0.0.1:$(cat port.echo) target; connect tcp:$remote /dev/null 2>&1; echo $?
ssh -oExitOnForwardFailure=yes -R $(cat port.echo):127.0.0.1:1 target true; echo $?
close_master`,
    rules: [ports],
    says: /^0\n\w{64}\n\w{64}\n/,
  },
  {
    name: 'ssh -D is a SOCKS proxy',
    needs: ['curl'],
    script: `${serve}
serve http; proxy=$(free)
open_master -oExitOnForwardFailure=yes -D $proxy; echo $?
curl -s --noproxy '' --socks5-hostname 127.0.0.1:$proxy http://127.0.0.1:$(cat port.http)/ | digest; echo "\${PIPESTATUS[@]}"
curl -s --noproxy '' --socks4 127.0.0.1:$proxy http://127.0.0.1:$(cat port.http)/ | digest
curl -s --noproxy '' --socks5 127.0.0.1:$proxy http://127.0.0.1:$(free)/; echo $?
close_master`,
    rules: [ports],
    says: /^0\n\w{64}\n0 0\n\w{64}\n97\n$/,
  },
  {
    name: 'sockets are as good as ports, both ways',
    script: `${serve}
serve echo unix:$WORK/served
open_master -oExitOnForwardFailure=yes -L $WORK/l:$WORK/served -R $WORK/r:$WORK/served; echo $?
connect unix:$WORK/l "$FILES/program" | digest
connect unix:$WORK/r "$FILES/program" | digest
close_master; test -S l; echo $?`,
    says: /^0\n\w{64}\n\w{64}\n/,
  },
  {
    name: 'the agent is there with -A, and only then',
    needs: ['ssh-agent'],
    script: `
ssh-agent -D -a "$WORK/a" >/dev/null & agent=$!; until test -S a; do sleep 0.02; done
SSH_AUTH_SOCK=$WORK/a ssh-add -q "$KEY"
ssh -A -oIdentityAgent=$WORK/a target 'ssh-add -l; echo text | ssh-keygen -Y sign -n file -f <(ssh-add -L) | head -1'
ssh -a -oIdentityAgent=$WORK/a target 'ssh-add -l 2>&1'; echo $?
ssh -A -oIdentityAgent=$WORK/a target 'for i in 1 2 3 4 5 6 7 8; do ssh-add -L & done; wait' | digest
kill $agent`,
    says: /^256 SHA256:\S+ key \(ED25519\)\n-----BEGIN SSH SIGNATURE-----\n[^]*2\n\w{64}\n$/,
  },
]
