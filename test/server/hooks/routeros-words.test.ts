import { formatNetwork, parseNetwork } from '@oneknock/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { routerApi } from '../../../server/src/hooks/routeros/api.ts'
import { randomName, randomPassword } from '../../../server/src/hooks/routeros/credentials.ts'
import { formatMark, parseMark } from '../../../server/src/hooks/routeros/mark.ts'
import { formatRouterTime, parseRouterTime } from '../../../server/src/hooks/routeros/time.ts'

describe('a time of the router', () => {
  it.each([
    ['1w2d3h4m5s', 788_645],
    ['9m58s', 598],
    ['30s', 30],
    ['0s', 0],
    ['00:10:00', 600],
    ['1d02:03:04', 93_784],
    ['1w1d23:59:59', 777_599],
    ['00:00:01.250', 1],
  ])('%s is %i seconds', (text, seconds) => {
    expect(parseRouterTime(text)).toBe(seconds)
  })

  it.each(['', 'none', '5', '5x', '1:2', 's', '-5s', '5s '])('is not %j', text => {
    expect(parseRouterTime(text)).toBeUndefined()
  })

  it('is read back as it is written', () => {
    fc.assert(
      fc.property(fc.nat(), seconds => {
        expect(parseRouterTime(formatRouterTime(seconds))).toBe(seconds)
      }),
    )
  })
})

describe('a comment', () => {
  const name = fc.stringMatching(/^[a-z0-9-]{1,32}$/)
  const network = fc.constantFrom('203.0.113.7', '203.0.113.0/24', '2001:db8::7', '2001:db8::/64')

  it('is read back as it is written', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[0-9a-f]{16}$/),
        name,
        network,
        fc.option(name, { nil: undefined }),
        fc.integer({ min: 0, max: 4_000_000_000_000 }),
        (instance, service, from, user, until) => {
          const mark = { instance, service, network: parseNetwork(from)!, user, until }
          const read = parseMark(formatMark(mark))
          expect(read).toEqual(mark)
          expect(formatNetwork(read!.network)).toBe(from)
        },
      ),
    )
  })

  it.each([
    undefined,
    '',
    'oneknock',
    'oneknock 0123456789abcdef lan from 203.0.113.7',
    'oneknock 0123456789abcdef LAN from 203.0.113.7 until 2027-01-15T08:10:00.000Z',
    'oneknock 0123456789abcdef lan from nowhere until 2027-01-15T08:10:00.000Z',
    'oneknock 0123456789abcdef lan from 203.0.113.7 until 2027-99-15T08:10:00.000Z',
    'oneknock 0123456789abcdef lan from 203.0.113.7 for Anna until 2027-01-15T08:10:00.000Z',
    'oneknock 0123 lan from 203.0.113.7 until 2027-01-15T08:10:00.000Z',
    'see oneknock 0123456789abcdef lan from 203.0.113.7 until 2027-01-15T08:10:00.000Z',
  ])('is not ours: %s', text => {
    expect(parseMark(text)).toBeUndefined()
  })
})

describe('credentials', () => {
  it('take every letter as often as any other', () => {
    const counts = new Map<string, number>()
    let byte = 0
    const inOrder = () => Uint8Array.of(byte++ % 256)
    for (let i = 0; i < 20; i++) {
      for (const letter of randomName(inOrder).slice(3)) {
        counts.set(letter, (counts.get(letter) ?? 0) + 1)
      }
    }
    expect(counts.size).toBe(33)
    expect(Math.max(...counts.values()) - Math.min(...counts.values())).toBeLessThanOrEqual(1)
  })

  it('have every kind of character', () => {
    // Had it been taken as it came, the first password would be of lower case alone.
    const lower = 'a'.charCodeAt(0)
    let drawn = 0
    const random = () => Uint8Array.of(drawn++ < 20 ? 30 : (drawn * 7 + lower) % 256)
    expect(randomPassword(random)).toMatch(/^(?=.*[A-Z])(?=.*[a-z])(?=.*\d).{24}$/)
    expect(drawn).toBeGreaterThan(20)
  })
})

describe('an error of the router', () => {
  const ask = (status: number, text: string, body = { name: 'a', password: 'hunter2' }) =>
    routerApi(async () => ({ status, text })).add('/user', body)
  const said = (detail: string, message = 'Bad Request') =>
    JSON.stringify({ error: 400, message, detail })

  it.each([
    ['duplicate', 400, said('failure: already have such entry')],
    ['duplicate', 400, said('failure: user with the same name already exists')],
    ['permission', 500, said('not enough permissions (9)')],
    ['permission', 200, said('not enough permissions (9)')],
    ['permission', 403, ''],
    ['login', 401, said('', 'Unauthorized')],
    ['absent', 404, said('no such item')],
    ['refused', 400, said('input does not match any value of group')],
    ['refused', 200, said('anything')],
    ['refused', 502, '<html>'],
  ])('is %s, if it answers %i %s', async (code, status, text) => {
    await expect(ask(status, text)).rejects.toMatchObject({ code })
  })

  it('is one short line, without a password that it quotes', async () => {
    const error = await ask(400, said(`bad\n\u001b[31m hunter2 ${'x'.repeat(999)}`)).catch(e => e)
    expect(error.message).toContain('bad [31m …')
    expect(error.message).not.toMatch(/hunter2|[\x00-\x1f]/)
    expect(error.message.length).toBeLessThan(300)
  })

  it.each(['{}', '', '[1]', '[{"a": 1}]', 'null'])('is an answer %s to a question', async text => {
    const api = routerApi(async () => ({ status: 200, text }))
    await expect(api.print('/user')).rejects.toMatchObject({ code: 'nonsense' })
  })
})
