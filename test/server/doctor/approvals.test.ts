import { expect, it } from 'vitest'
import type { ChannelSettings, User } from '../../../server/src/core/directory.ts'
import { approvalFindings } from '../../../server/src/doctor/approvals.ts'
import { service, toDirectory, user } from '../kit.ts'
import { settings } from '../listeners/http.ts'

const ntfy: ChannelSettings = { kind: 'ntfy', url: 'https://ntfy.example.com', token: undefined }
const approval = { channel: 'phone', timeoutMs: 120_000 }
const reachable = (name: string, changes: Partial<User> = {}) =>
  user(name, 1, { services: ['vault'], contact: { ntfy: 'topic', mail: undefined }, ...changes })

const look = (users: readonly User[], approver?: string, url = 'https://gate.example.com') =>
  approvalFindings({
    directory: toDirectory([service('vault', { approval: { ...approval, approver } })], users),
    delivery: new Map([['phone', ntfy]]),
    http: settings(8975, { public: url }),
    radius: undefined,
  }).map(({ state, found }) => `${state}: ${found}`)

it('says nothing where nobody is asked', () => {
  const directory = toDirectory([service('ssh')], [user('alice', 1)])
  expect(
    approvalFindings({ directory, delivery: new Map(), http: undefined, radius: undefined }),
  ).toEqual([])
})

it('is content when everybody can be reached, and with those who are never asked', () => {
  const fine = ['fine: everybody who is asked can be reached']
  expect(look([reachable('alice'), user('bob', 2, { services: ['ssh'] })])).toEqual(fine)
  expect(look([reachable('alice', { contact: undefined }), reachable('bob')], 'bob')).toEqual(fine)
  expect(look([reachable('alice')], undefined, 'http://127.0.0.1:8975')).toEqual(fine)
})

it('names who cannot be asked, or cannot answer', () => {
  const mute = Array.from({ length: 7 }, (_, i) => reachable(`u${i}`, { contact: undefined }))
  expect(look(mute)).toEqual([expect.stringMatching(/^problem: u0, u1, .*u4 and 2 more cannot be/)])
  expect(look([reachable('alice')], 'bob')).toEqual([
    'problem: bob cannot say yes: locked, or no such user',
  ])
  expect(look([reachable('alice'), reachable('bob', { locked: true })], 'bob')).toHaveLength(1)
})

it('says that links without TLS can be read', () => {
  const said = look([reachable('alice')], undefined, 'http://gate.example.com:8975')
  expect(said).toEqual([expect.stringContaining('whoever reads the line can say yes')])
})

it('knows of RADIUS clients that ask by themselves', () => {
  const alice = user('alice', 1, { services: ['ssh'] })
  const ask = (services: readonly string[] | undefined, users = [alice]) =>
    approvalFindings({
      directory: toDirectory([service('ssh'), service('vpn')], users),
      delivery: new Map([['phone', ntfy]]),
      http: settings(8975, { public: 'https://gate.example.com' }),
      radius: {
        listen: [],
        clients: [
          {
            ...{ name: 'vpn', networks: [], mode: 'password', upstream: undefined, services },
            ...{ secret: { kind: 'environment', variable: 'NAS' }, approval },
            ...{ addressFrom: 'calling-station-id', messageAuthenticator: 'required' },
          },
        ],
      },
    }).map(({ state, found }) => `${state}: ${found}`)
  const mute = ['problem: alice cannot be asked, so what waits for their yes is refused at once']
  expect(ask(undefined)).toEqual(mute)
  expect(ask(['ssh'])).toEqual(mute)
  expect(ask(['vpn'])).toEqual(['fine: everybody who is asked can be reached'])
  expect(ask(undefined, [{ ...alice, locked: true }])).toEqual([
    'problem: alice cannot say yes: locked, or no such user',
  ])
})
