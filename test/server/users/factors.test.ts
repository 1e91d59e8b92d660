import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { setFactors, setLocked } from '../../../server/src/users/edit.ts'
import { formatUser, recoveryCode, totpFactor } from '../../../server/src/users/user.ts'
import { parseUser } from '../../../server/src/users.ts'
import { anyUser, CONFIG } from './arbitrary.ts'

const BY_HAND = `# Alice, room 12. Ask her before you touch this.
services = ["ssh"] # for the servers

[totp] # her phone
secret = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" # since May
`

describe('locking', () => {
  it('adds a line behind the others at the top, and unlocking takes it out', async () => {
    const locked = BY_HAND.replace('servers\n', 'servers\nlocked = true\n')
    expect(await setLocked(BY_HAND, true)).toBe(locked)
    expect(await setLocked(locked, true)).toBe(locked)
    expect(await setLocked(locked, false)).toBe(BY_HAND)
    expect(await setLocked(BY_HAND, false)).toBe(BY_HAND)
  })

  it.each([
    ['locked = false # holidays\n', 'locked = true # holidays\n'],
    ['locked=true# for good\n', 'locked=false# for good\n'],
    ['', 'locked = true\n'],
    ['services = []', 'services = []\nlocked = true\n'],
    ['[totp]\nsecret = "A"\n', 'locked = true\n\n[totp]\nsecret = "A"\n'],
    ['# only this\n', '# only this\nlocked = true\n'],
  ])('%j becomes %j', async (before, after) => {
    const unlocking = before.includes('true')
    expect(await setLocked(before, !unlocking)).toBe(after)
  })
})

const TOTP = totpFactor(new Uint8Array(20).fill(1))
const CODES = [recoveryCode(new Uint8Array(16).fill(2), new Uint8Array(32).fill(3))]

describe('resetting', () => {
  it('changes the secret and the codes, and touches nothing else', async () => {
    const after = await setFactors(BY_HAND, TOTP, CODES)
    const kept = after.split('\n').filter(line => BY_HAND.split('\n').includes(line))
    expect(kept).toEqual(BY_HAND.split('\n').filter(line => !line.startsWith('secret')))
    expect(after).toContain('" # since May\n')
  })

  it.each([
    ['no factor at all', 'services = []\n'],
    ['inline tables', 'services = []\ntotp = { secret = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }\n'],
    ['dotted keys', 'totp.secret = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"\nservices = []\n'],
  ])('works on %s', async (_, text) => {
    const user = await parseUser(CONFIG, 'alice', await setFactors(text, TOTP, CODES))
    expect(user.ok && { ...user.value }).toMatchObject({ totp: TOTP, recovery: CODES })
  })
})

it('any user is locked, unlocked and reset, and is who they were otherwise', async () => {
  await fc.assert(
    fc.asyncProperty(anyUser, fc.boolean(), async (user, locked) => {
      const text = await setLocked(await setFactors(formatUser(user), TOTP, CODES), locked)
      const got = await parseUser(CONFIG, user.name, text)
      expect(got.ok && { ...got.value }).toEqual({ ...user, locked, totp: TOTP, recovery: CODES })
    }),
    { numRuns: 50 },
  )
})
