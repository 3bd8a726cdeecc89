/** Clients that are not OpenSSH. Where one knows no jumps of its own, ssh -W carries it: the inner connection is its own. */
import type { Scenario } from '../scenario.ts'

const warnings = 'export PYTHONWARNINGS=ignore'

/** The key that this way shows, learned by ssh. */
const learned = `
known() { ssh -oHostKeyAlgorithms=ssh-ed25519 -oStrictHostKeyChecking=no -oUserKnownHostsFile="$WORK/known" -oGlobalKnownHostsFile=/dev/null target true; }
fingerprint() { known; ssh-keygen -lf known | cut -d' ' -f2; }
`

export const others: readonly Scenario[] = [
  {
    name: 'plink and psftp',
    needs: ['plink'],
    script: `${learned}
puttygen "$KEY" -O private -o key.ppk
options=(-batch -noagent -hostkey "$(fingerprint)" -i key.ppk -P "$PORT" -l "$USERNAME")
[ "$WAY" = jump ] && options+=(-proxycmd "ssh -F $CONFIG -W %host:%port gateway")
# What else plink says there are the notice of the gateway and whom it signed in as.
p() { plink -ssh "\${options[@]}" "$ADDRESS" "$@" 2>all; status=$?; grep -x err all; return $status; }
p 'echo out; echo err >&2; exit 7'; echo $?
some 3000000 | p cat | digest; echo "\${PIPESTATUS[@]}"
p "head -c 3000000 $FILES/random >&2" </dev/null; echo $?; tail -c 3000000 all | digest
p -t 'stty size; stty -a | head -1' </dev/null; echo $?
p 'kill -TERM $$'; echo $?
printf 'cd %s\\nput %s up\\nget up down\\nrm up\\nbye\\n' "$WORK" "$FILES/program" | { cat >b; psftp "\${options[@]}" -b b "$ADDRESS" 2>/dev/null; }
cmp down "$FILES/program"; echo $?`,
    says: /^out\nerr\n7\n\w{64}\n0 0 0\n0\n\w{64}\n[^]*rm WORK\/up: OK\n0\n$/,
  },
  {
    name: 'dbclient',
    needs: ['dbclient'],
    script: `
dropbearconvert openssh dropbear "$KEY" key >/dev/null 2>&1
# A reader slower than the line (the last line here) makes it miss that it is done: it sleeps until the next packet. This sshd
# sends one each second and the gateway each 30; straight to an sshd that sends none, it sleeps for hours.
options=(-K 1 -i key -y -y -p "$PORT" -l "$USERNAME")
[ "$WAY" = jump ] && options+=(-J "ssh -F $CONFIG -W web1:22 gateway")
d() { dbclient "\${options[@]}" "$ADDRESS" "$@" 2>err; status=$?; grep -x err err; return $status; }
d 'echo out; echo err >&2; exit 7'; echo $?
some 3000000 | d cat | digest; echo "\${PIPESTATUS[@]}"
d "head -c 3000000 $FILES/random" | digest
d 'kill -TERM $$'; echo $?
d 'head -c 80000 /dev/zero' | { sleep 1; digest; }; echo "\${PIPESTATUS[0]}"`,
    says: /^out\nerr\n7\n\w{64}\n0 0 0\n\w{64}\n[^]*\n\w{64}\n0\n$/,
  },
  {
    name: 'paramiko',
    needs: ['paramiko'],
    script: `${warnings}; /usr/bin/python3 -u "$CLIENTS/with_paramiko.py"`,
    says: /exec[^]*sftp[^]*forward[^]*done\n$/,
  },
  {
    name: 'asyncssh: every exit status, every signal both ways, and what OpenSSH cannot ask for',
    needs: ['asyncssh'],
    script: `${warnings}; /usr/bin/python3 -u "$CLIENTS/with_asyncssh.py"`,
    says: /256 statuses in order[^]*signal TERM[^]*done\n$/,
  },
  {
    name: 'libssh',
    needs: ['libssh'],
    script: `
gcc -O0 -o client "$CLIENTS/with_libssh.c" -lssh || exit 1
[ "$WAY" = jump ] && export PROXY="ssh -F $CONFIG -W web1:22 gateway"
./client`,
    says: /exec 7\n[^]*done\n$/,
  },
  {
    name: 'ansible: ping, copy, command, fetch',
    needs: ['ansible'],
    script: `
export ANSIBLE_NOCOWS=1 ANSIBLE_HOST_KEY_CHECKING=False ANSIBLE_NOCOLOR=1 ANSIBLE_LOCAL_TEMP=$WORK/l ANSIBLE_REMOTE_TEMP=$WORK/r ANSIBLE_HOME=$WORK/.ansible ANSIBLE_PIPELINING=False ANSIBLE_SSH_CONTROL_PATH_DIR=$WORK/c
common="-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o IdentitiesOnly=yes -o LogLevel=ERROR"
[ "$WAY" = jump ] && common="-F $CONFIG -o ProxyJump=gateway"
cat >inventory <<END
host ansible_host=$ADDRESS ansible_port=$PORT ansible_user=$USERNAME ansible_ssh_private_key_file=$KEY ansible_ssh_common_args='$common' ansible_python_interpreter=/usr/bin/python3
END
cat >play.yml <<END
- hosts: all
  gather_facts: false
  tasks:
    - ping:
    - copy: { src: "$FILES/tree/deep", dest: "$WORK/far/", mode: preserve }
    - command: sh -c 'echo out; echo err >&2; exit 3'
      register: ran
      failed_when: ran.rc != 3 or ran.stdout != 'out' or ran.stderr != 'err'
    - fetch: { src: "$WORK/far/deep/er/binary", dest: "$WORK/back", flat: true }
END
ansible-playbook -i inventory play.yml; echo $?
cmp back "$FILES/tree/deep/er/binary"; echo $?`,
    says: /ok=4 +changed=2 +unreachable=0 +failed=0[^]*\n0\n0\n$/,
  },
]
