import { afterEach, describe, expect, it } from 'vitest'
import { validator } from '../../../server/src/validation/client.ts'
import { isSigned, parseAnswer, parseApiKey } from '../../../server/src/validation/protocol.ts'
import { API_KEY, type Behaviour, StandIn, says, silent } from './stand-in.ts'

const OTP = `vvccccbbbbdd${'cbdefghijklnrtuv'.repeat(2)}`

const standIns: StandIn[] = []
afterEach(() => {
  for (const standIn of standIns.splice(0)) standIn.stop()
})

async function ask(...behaviours: readonly Behaviour[]) {
  for (const behaviour of behaviours) standIns.push(await StandIn.start(behaviour))
  const faults: string[] = []
  const validate = validator({
    settings: () => ({
      servers: standIns.map(({ url }) => url),
      ...{ clientId: 87, key: { kind: 'file', path: '/etc/oneknock/yubikey.key' } as const },
    }),
    readSecret: () => API_KEY.toString('base64'),
    random: bytes => crypto.getRandomValues(new Uint8Array(bytes)),
    report: ({ why }) => faults.push(why),
    limits: { all: 500, next: 100 },
  })
  return { said: await validate(OTP), faults, requests: standIns.map(({ requests }) => requests) }
}

describe('asking a validation server', () => {
  it('signs what it asks, with a nonce of its own each time', async () => {
    const { said, requests } = await ask(says('OK'))
    expect(said).toBe('right')
    const [asked] = requests[0]!
    expect(asked).toMatchObject({ id: '87', otp: OTP, nonce: expect.stringMatching(/^\w{32}$/) })
    expect(isSigned(asked!, API_KEY)).toBe(true)
    const again = await ask()
    expect(again.requests[0]![1]!.nonce).not.toBe(asked!.nonce)
  })

  it.each([
    ['OK', 'right'],
    ['BAD_OTP', 'wrong'],
    ['REPLAYED_OTP', 'used'],
    ['REPLAYED_REQUEST', 'unavailable'],
    ['BAD_SIGNATURE', 'unavailable'],
    ['MISSING_PARAMETER', 'unavailable'],
    ['NO_SUCH_CLIENT', 'unavailable'],
    ['OPERATION_NOT_ALLOWED', 'unavailable'],
    ['BACKEND_ERROR', 'unavailable'],
    ['NOT_ENOUGH_ANSWERS', 'unavailable'],
    ['ok', 'unavailable'],
  ])('takes %s for %s', async (status, said) => {
    expect(await ask(says(status))).toMatchObject({ said })
  })

  const OTHER_KEY = Buffer.from('another key, not ours')
  it.each<[string, Behaviour]>([
    ['without a signature', says('OK', {}, 'none')],
    ['with another key’s signature', says('OK', {}, OTHER_KEY)],
    ['with an empty signature', (_, response) => response.end('h=\r\nstatus=OK\r\n')],
    ['to another nonce', says('OK', { nonce: 'a'.repeat(32) })],
    ['to another OTP', says('OK', { otp: `${OTP.slice(0, -1)}c` })],
    ['that no longer has the OTP', says('OK', { otp: '' })],
    ['that is forged and says BAD_OTP', says('BAD_OTP', {}, OTHER_KEY)],
    ['that is a page', (_, response) => response.end('<html>status=OK</html>')],
    ['that has no end', (_, response) => response.end(`status=OK\r\n${'a=b'.repeat(5000)}`)],
    ['from elsewhere', (_, response) => response.writeHead(302, { location: '/' }).end()],
    ['that never comes', silent],
    ['that breaks off', (_, response) => response.destroy()],
  ])('believes no answer %s', async (_, behaviour) => {
    const { said, faults } = await ask(behaviour)
    expect(said).toBe('unavailable')
    expect(faults).toHaveLength(1)
    expect(faults.join()).not.toMatch(new RegExp(`${OTP}|${API_KEY.toString('base64')}`))
  })

  it('asks the next one when one fails or is slow, with the same nonce; the first answer counts', async () => {
    const { said, requests, faults } = await ask(says('BACKEND_ERROR'), silent, says('OK'))
    expect(said).toBe('right')
    const nonces = requests.flat().map(({ nonce }) => nonce)
    expect(nonces).toHaveLength(3)
    expect(new Set(nonces).size).toBe(1)
    expect(faults).toEqual(['answers BACKEND_ERROR'])
  })

  it('does not trouble the second while the first answers', async () => {
    const { said, requests } = await ask(says('REPLAYED_OTP'), says('OK'))
    expect([said, requests[1]]).toEqual(['used', []])
  })

  it('waits no longer for the slow first than it takes the others', async () => {
    let late = () => {}
    const slow: Behaviour = (asked, response) => {
      late = () => says('OK')(asked, response)
    }
    const behaviours: Behaviour[] = [
      slow,
      (asked, response) => {
        late()
        says('BAD_SIGNATURE')(asked, response)
      },
    ]
    expect(await ask(...behaviours)).toMatchObject({ said: 'right' })
  })
})

describe('the protocol', () => {
  it('has answers in which every name comes once', () => {
    expect(parseAnswer('h=x=\r\nstatus=OK\r\n\r\n')).toEqual({ h: 'x=', status: 'OK' })
    expect(parseAnswer('status=OK\r\nstatus=BAD_OTP\r\n')).toBeUndefined()
    expect(parseAnswer('__proto__=x')).toBeUndefined()
  })

  it('has keys in base64, and no others', () => {
    expect(parseApiKey(API_KEY.toString('base64'))).toEqual(API_KEY)
    for (const text of ['', 'AAAA', 'not base64 at all!!!', API_KEY.toString('hex').slice(1)]) {
      expect(parseApiKey(text)).toBeUndefined()
    }
  })
})
