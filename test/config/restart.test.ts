import { expect, test } from 'vitest'
import { diffNeedsRestart } from '../../src/config/restart.ts'
import { configOf, yamlWith } from './yaml-file.ts'

test('what a running gateway is bound to cannot change under it', () => {
  const before = configOf(yamlWith({}))
  const after = configOf(
    yamlWith({
      gateway: 'gateway: { name: other.example.com, data: /srv/sallyport }',
      ssh: 'ssh: { listen: 0.0.0.0:2222 }',
      web: 'web: { listen: "127.0.0.1:9443", url: "https://other.example.com" }',
      identity: 'identity: { issuer: "https://other.example.com", clientId: sallyport }',
    }),
  )
  expect(diffNeedsRestart(before, after)).toEqual([
    'gateway.name',
    'gateway.data',
    'ssh.listen',
    'web.listen',
    'web.url',
    'identity.issuer',
    'recording.folder',
  ])
})

test('a listener that comes or goes needs a restart too', () => {
  const before = configOf(yamlWith({ ssh: '' }))
  expect(diffNeedsRestart(before, configOf(yamlWith({})))).toEqual(['ssh.listen'])
})

test('policy, targets and limits can be taken over by a reload', () => {
  const before = configOf(yamlWith({}))
  const after = configOf(
    yamlWith({
      ssh: 'ssh: { listen: 0.0.0.0:22, limits: { maxChannelsPerConnection: 3 } }',
      targets: 'targets: [{ name: web9, protocol: ssh, address: 10.0.0.9, hostKeys: first-use }]',
      roles:
        'roles: { dba: { members: { groups: [dba] }, allow: [{ targets: { name: web9 }, logins: [x] }] } }',
    }),
  )
  expect(diffNeedsRestart(before, after)).toEqual([])
})
