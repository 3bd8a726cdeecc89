/** Stand-ins on the PATH of the corpus: they ask as the real ones do, and need no second account or host. */
export const programs: Readonly<Record<string, string>> = {
  sudo: `#!/usr/bin/python3
import getpass, os, sys
getpass.getpass('[sudo] password for dana: ')
if sys.argv[1] == '-i': sys.argv[1:] = ['bash', '--noprofile', '--rcfile', os.environ['HOME'] + '/.nestedrc', '-i']
os.execvp(sys.argv[1], sys.argv[1:])
`,
  login: `#!/usr/bin/python3
import getpass
input('Username: ')
getpass.getpass('Password: ')
print('Welcome.')
`,
  pinentry: `#!/usr/bin/python3
import sys, termios, tty
fd = 0
before = termios.tcgetattr(fd)
sys.stdout.write('Enter passphrase: '); sys.stdout.flush()
tty.setraw(fd)
while True:
    key = sys.stdin.buffer.raw.read(1)
    if key in (b'\\r', b'\\n'): break
    sys.stdout.write('*'); sys.stdout.flush()
termios.tcsetattr(fd, termios.TCSADRAIN, before)
print('\\nok')
`,
  ssh: `#!/bin/bash
read -rsp "dana@db1's password: " unused; echo
export NESTED=1
exec bash --noprofile --rcfile "$HOME/.nestedrc" -i
`,
  su: `#!/usr/bin/python3
import getpass, os
getpass.getpass('Password: ')
os.execvp('bash', ['bash', '--noprofile', '--rcfile', os.environ['HOME'] + '/.nestedrc', '-i'])
`,
  ask: `#!/bin/bash
read -rp 'Continue? [y/N] ' answer
read -rp 'Name: ' name
echo "$answer $name"
`,
  shop: `#!/usr/bin/python3
import readline
print('psql (15.5)\\nType "help" for help.\\n')
prompt = 'shop=> '
while True:
    try: line = input(prompt)
    except EOFError: break
    if line.strip() == '\\\\q': break
    prompt = 'shop=> ' if line.rstrip().endswith(';') or not line.strip() else 'shop-> '
    if line.rstrip().endswith(';'): print(' count \\n-------\\n    42\\n(1 row)\\n')
`,
}
