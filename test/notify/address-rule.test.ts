import { lookup } from 'node:dns'
import { expect, test, vi } from 'vitest'
import { judgedLookup, refusedAddress } from '../../src/notify/address-rule.ts'

vi.mock('node:dns', () => ({ lookup: vi.fn() }))

/** Every name leads there: what DNS says is not ours to choose. */
function namesLeadTo(...addresses: readonly string[]): void {
  vi.mocked(lookup).mockImplementation(((_: string, __: unknown, done: (e: null, a: unknown) => void) =>
    done(
      null,
      addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 })),
    )) as never)
}

function lookUp(host: string, all = false): Promise<{ error: string | undefined; address: unknown }> {
  return new Promise(resolve =>
    judgedLookup(host)(host, { all }, (error, address) => resolve({ error: error?.message, address })),
  )
}

test.each([
  '169.254.169.254',
  '::ffff:169.254.169.254',
  'fe80::1',
  '0.0.0.0',
  '::',
  '255.255.255.255',
  '239.1.1.1',
  'ff02::1',
  'fd00:ec2::254',
  '100.100.100.200',
  'not an address',
])('nothing is sent to %s, whatever its name', address => {
  expect(refusedAddress('soc.example.com', address)).toBeDefined()
  expect(refusedAddress('localhost', address)).toBeDefined()
})

test.each(['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1'])('%s is for names that say so', address => {
  expect(refusedAddress('soc.example.com', address)).toContain('this machine itself')
  expect(refusedAddress('localhost', address)).toBeUndefined()
  expect(refusedAddress('127.0.0.1', address)).toBeUndefined()
})

test.each(['10.1.2.3', '172.16.0.1', '192.168.1.1', 'fd12::1', '100.64.0.1', '203.0.113.9', '2001:db8::1'])(
  '%s may be a receiver',
  address => {
    expect(refusedAddress('soc.example.com', address)).toBeUndefined()
  },
)

test('a name is refused if one of its addresses is: the connection might take that one', async () => {
  namesLeadTo('203.0.113.9', '127.0.0.1')
  expect((await lookUp('soc.example.com')).error).toContain('this machine itself')
  namesLeadTo('203.0.113.9', '169.254.169.254')
  expect((await lookUp('soc.example.com', true)).error).toContain('no address of a receiver')
})

test('the connection goes to the addresses that were judged', async () => {
  namesLeadTo('203.0.113.9', '2001:db8::1')
  expect(await lookUp('soc.example.com')).toEqual({ error: undefined, address: '203.0.113.9' })
  expect((await lookUp('soc.example.com', true)).address).toHaveLength(2)
  namesLeadTo()
  expect((await lookUp('soc.example.com')).error).toContain('no address')
})
