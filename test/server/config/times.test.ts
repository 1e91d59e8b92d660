import { describe, expect, it } from 'vitest'
import { config, problems, service } from './openers.ts'

describe('a lifetime', () => {
  const PERMIT = 'permit = ["db:1"]\naccount = "jump"\n'

  it('may grow', async () => {
    const grown = await service(`${PERMIT}lifetime = { base = "20m", grows = 2.5, cap = "50h" }`)
    expect(grown).toMatchObject({ lifetime: 1_200, maxLifetime: 180_000, grows: 2.5 })
    expect(await service(`${PERMIT}lifetime = "20m"`)).toMatchObject({ maxLifetime: 1_200 })
  })

  it.each([
    [
      'lifetime = { base = "20m", grows = 2, cap = "10m" }',
      'services.s.lifetime.cap: less than base',
    ],
    [
      'lifetime = { base = "20m", grows = 1, cap = "1h" }',
      'services.s.lifetime.grows: write by how much',
    ],
    [
      'lifetime = { base = "20m", grows = 11, cap = "1h" }',
      'services.s.lifetime.grows: write by how much',
    ],
    ['lifetime = { base = "20m", cap = "1h" }', 'services.s.lifetime.grows: nothing there'],
    [
      'lifetime = { base = "soon", grows = 2, cap = "1h" }',
      'services.s.lifetime.base: write a duration',
    ],
    ['lifetime = 20', 'services.s.lifetime: write a duration'],
    [
      'lifetime = { base = "20m", grows = 2, cap = "1h" }\nmax_lifetime = "2h"',
      'services.s.max_lifetime: lifetime.cap says it already',
    ],
  ])('%s', async (text, expected) => {
    expect(await problems(`[services.s]\n${PERMIT}${text}`)).toEqual([
      expect.stringContaining(expected),
    ])
  })
})

describe('a guard whose daemon is dead', () => {
  const guard = (own: string) => `[firewall]\n${own}\n[services.s]\nexec = { open = ["/bin/true"] }`
  const nftables = 'backend = "nftables"\n'

  it('stays closed, or opens after a time', async () => {
    expect((await config(guard(nftables))).firewall.ifDead).toBeUndefined()
    const closed = await config(guard(`${nftables}if_dead = "closed"`))
    expect(closed.firewall.ifDead).toBeUndefined()
    const open = await config(guard(`${nftables}if_dead = "open after 6h"`))
    expect(open.firewall.ifDead).toBe(6 * 3_600_000)
  })

  it.each([
    [`${nftables}if_dead = "open"`, 'firewall.if_dead: write "closed", or "open after 6h"'],
    [`${nftables}if_dead = "open after 5s"`, 'firewall.if_dead: write "closed"'],
    [
      'backend = "ipset"\nif_dead = "open after 6h"',
      'firewall: if_dead = "open after …" needs backend = "nftables"; leave if_dead out',
    ],
    ['if_dead = "open after 6h"', 'firewall: if_dead = "open after …" needs backend = "nftables"'],
  ])('refuses %j', async (own, problem) => {
    expect(await problems(guard(own))).toEqual([expect.stringContaining(problem)])
  })
})
