import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { scrypt } from '@noble/hashes/scrypt.js'
import { toBase64Url } from '@oneknock/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatProfile, type Profile, parseProfile } from '../../client/src/profile.ts'
import { COST, isCost, type Sealed, seal, unseal } from '../../client/src/sealing.ts'
import { formatStoredKey, parseStoredKey } from '../../client/src/stored-key.ts'
import { lock, unlock } from '../../client/src/unlocking.ts'
import { KEY } from './fake-world.ts'

/** The least that is accepted, so that tests need not wait. */
const CHEAP = { n: 2 ** 14, r: 1, p: 1 }
let bytes = 0
const random = (length: number) => Uint8Array.from({ length }, () => bytes++ % 256)
const sealCheaply = (passphrase = 'open sesame') => seal(KEY, passphrase, random, CHEAP)

describe('a sealed secret', () => {
  it('opens with its passphrase, and with no other', async () => {
    const sealed = await sealCheaply()
    expect(await unseal(sealed, 'open sesame')).toEqual({ ok: true, value: KEY })
    for (const wrong of ['', 'open sesame ', 'Open sesame']) {
      expect(await unseal(sealed, wrong)).toEqual({ ok: false, error: 'wrong-passphrase' })
    }
  })

  it('opens however the keyboard writes the same letters', async () => {
    const sealed = await sealCheaply('caf\u00e9 \ufb01n')
    expect((await unseal(sealed, 'cafe\u0301 fin')).ok).toBe(true)
  })

  it('is what an independent scrypt and XChaCha20-Poly1305 say it is', async () => {
    const { n, r, p, salt, nonce, box } = await sealCheaply()
    const key = scrypt('open sesame', salt, { N: n, r, p, dkLen: 32 })
    const purpose = new TextEncoder().encode('oneknock sealed key 1')
    expect(xchacha20poly1305(key, nonce, purpose).decrypt(box)).toEqual(KEY)
  })

  it('does not open with any part of it changed', async () => {
    const sealed = await sealCheaply()
    const flip = (part: Uint8Array, at: number) =>
      part.map((byte, i) => (i === at ? byte ^ 1 : byte))
    const changed: Sealed[] = [
      { ...sealed, n: 2 ** 15 },
      { ...sealed, r: 2 },
      { ...sealed, p: 2 },
      { ...sealed, salt: flip(sealed.salt, 3) },
      { ...sealed, nonce: flip(sealed.nonce, 20) },
      ...[0, 31, 32, 47].map(at => ({ ...sealed, box: flip(sealed.box, at) })),
      { ...sealed, box: sealed.box.slice(1) },
    ]
    for (const one of changed) expect((await unseal(one, 'open sesame')).ok).toBe(false)
  })

  it('never has the same salt or nonce twice', async () => {
    const [one, other] = [await sealCheaply(), await sealCheaply()]
    expect(toBase64Url(one.salt)).not.toBe(toBase64Url(other.salt))
    expect(toBase64Url(one.nonce)).not.toBe(toBase64Url(other.nonce))
  })

  it.each([
    [COST, true],
    [{ n: 2 ** 20, r: 8, p: 1 }, true],
    [{ n: 2 ** 21, r: 8, p: 1 }, false],
    [{ n: 2 ** 13, r: 8, p: 1 }, false],
    [{ n: 2 ** 17 + 1, r: 8, p: 1 }, false],
    [{ n: 2 ** 17, r: 8, p: 17 }, false],
    [{ n: 2 ** 17, r: 0, p: 1 }, false],
    [{ n: '131072', r: 8, p: 1 }, false],
    [{ n: Number.POSITIVE_INFINITY, r: 8, p: 1 }, false],
  ])('costs what is sensible: %j is %s', (cost, sensible) => {
    expect(isCost(cost)).toBe(sensible)
  })
})

describe('a sealed key in a profile', () => {
  const PROFILE = {
    host: 'gate.example.com',
    port: 62201,
    user: 'ana',
    device: 'laptop',
    services: [],
  } as const

  it('is read as it was written', async () => {
    const profile: Profile = { ...PROFILE, key: { kind: 'sealed', sealed: await sealCheaply() } }
    expect(parseProfile(formatProfile(profile))).toEqual({ ok: true, value: profile })
  })

  it('is read strictly: what is changed is named, and nothing is quoted', async () => {
    const good = formatStoredKey({ kind: 'sealed', sealed: await sealCheaply() }) as {
      scrypt: object
      box: string
    }
    const cases: [object, string | undefined, string][] = [
      [{ ...good, extra: 1 }, undefined, 'has "extra"'],
      [{ ...good, scrypt: { ...good.scrypt, extra: 1 } }, 'scrypt', 'n, r, p and salt'],
      [{ ...good, scrypt: { ...good.scrypt, n: 1 } }, 'scrypt', 'never use'],
      [{ ...good, scrypt: { ...good.scrypt, salt: 'AAAA' } }, 'scrypt.salt', '16 bytes'],
      [{ ...good, nonce: good.box }, 'nonce', '24 bytes'],
      [{ ...good, box: good.box.slice(0, 60) }, 'box', 'cut short'],
      [{ ...good, box: 'A'.repeat(1372) }, 'box', 'too long'],
    ]
    for (const [value, key, problem] of cases) {
      const read = parseStoredKey(value)
      expect(read.ok).toBe(false)
      if (read.ok) continue
      expect(read.error.key).toBe(key)
      expect(read.error.problem).toContain(problem)
      expect(JSON.stringify(read.error)).not.toContain(good.box.slice(0, 8))
    }
  })

  it('is refused without a throw whatever else it is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), value => {
        expect(parseStoredKey({ kind: 'sealed', scrypt: value, nonce: value, box: value }).ok).toBe(
          false,
        )
      }),
    )
  })

  it('takes the secret for codes into its box, and gives it back', async () => {
    const totpSecret = 'GEZDGNBVGY3TQOJQ'
    const locked = await lock({ ...PROFILE, key: KEY, totpSecret }, 'open sesame', random)
    expect(formatProfile(locked)).not.toContain(totpSecret)
    expect(formatProfile(locked)).not.toContain(toBase64Url(KEY))
    const unlocked = await unlock(locked, 'open sesame')
    expect(unlocked).toEqual({ ok: true, value: { ...PROFILE, key: KEY, totpSecret } })
    const text = formatProfile({ ...locked, totpSecret })
    expect(parseProfile(text)).toMatchObject({ ok: false, error: { key: 'totp_secret' } })
  })
})
