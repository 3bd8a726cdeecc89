/** The soak in small: `npm run soak -- kills` does the same 1,000 times. */
import { expect } from 'vitest'
import { runKills } from '../soak/kills.ts'
import { testWith } from '../support/openssh.ts'

const test = testWith('ssh', 'sshd', 'ssh-keygen')

test('fifty times killed −9 under load, every recording reads, verifies and is sealed, and holds whatever a client got', async () => {
  const report = await runKills({ count: 50, seed: 1 })
  expect(report).toMatchObject({
    kills: expect.toSatisfy((kills: number) => kills >= 50),
    unreadable: 0,
    unsealed: 0,
    unrecorded: [],
    verifies: true,
    problems: [],
  })
}, 600_000)
