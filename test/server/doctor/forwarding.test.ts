import { parseAddress } from '@oneknock/shared'
import { expect, it } from 'vitest'
import { tracking } from '../../../server/src/doctor/forwarding.ts'
import { service } from '../hooks/service.ts'

const to = [{ address: parseAddress('10.0.0.5')!, port: 22 }]
const inner = service('inner', {
  ports: [{ protocol: 'tcp', port: 2222 }],
  forward: { to, masquerade: false },
})

it('conntrack is asked for only where a service leads elsewhere', () => {
  expect(tracking([service('ssh', {})], false)).toEqual([])
  expect(tracking([inner], true)).toMatchObject([{ state: 'fine' }])
  expect(tracking([inner], false)).toMatchObject([
    { state: 'warning', remedy: 'install conntrack', found: expect.stringContaining('inner') },
  ])
})
