/** The clients that a scenario needs, and whether this machine has them. */
import { spawnSync } from 'node:child_process'

export type Peer =
  | 'ansible'
  | 'asyncssh'
  | 'curl'
  | 'dbclient'
  | 'git'
  | 'libssh'
  | 'paramiko'
  | 'plink'
  | 'rsync'
  | 'ssh-agent'

/** Debian's packages are seen by its own Python, which need not be the first of the PATH. */
export const python = '/usr/bin/python3'

const proofs: Record<Peer, readonly [program: string, ...args: string[]]> = {
  ansible: ['ansible-playbook', '--version'],
  asyncssh: [python, '-W', 'ignore', '-c', 'import asyncssh'],
  curl: ['curl', '--version'],
  dbclient: ['sh', '-c', 'dbclient -V && command -v dropbearconvert'],
  git: ['git', '--version'],
  libssh: ['sh', '-c', 'echo "#include <libssh/libssh.h>" | gcc -E -x c -'],
  paramiko: [python, '-W', 'ignore', '-c', 'import paramiko'],
  plink: ['sh', '-c', 'plink -V && command -v psftp && command -v puttygen'],
  rsync: ['rsync', '--version'],
  'ssh-agent': ['sh', '-c', 'command -v ssh-agent && command -v ssh-add'],
}

const known = new Map<Peer, boolean>()

function has(peer: Peer): boolean {
  const [program, ...args] = proofs[peer]
  const found = known.get(peer) ?? spawnSync(program, args, { stdio: 'ignore' }).status === 0
  known.set(peer, found)
  return found
}

export function missingOf(peers: readonly Peer[] = []): readonly Peer[] {
  return peers.filter(peer => !has(peer))
}
