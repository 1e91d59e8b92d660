import { otpauthUri } from '@oneknock/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { renderQr, shortenOtpauth } from '../../../server/src/commands/qr.ts'
import { lacking } from './cli.ts'
import { hasZbar, picture, scan, zbarScan } from './screen.ts'

const name = fc.stringMatching(/^[a-z0-9-]{1,32}$/)
const secret = fc.uint8Array({ minLength: 20, maxLength: 20 })

describe('a QR code on a terminal', () => {
  it('fits on 80×24 with a line to spare, up to 106 characters', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[ -~]{1,106}$/), text => {
        const rows = renderQr(text, false).trimEnd().split('\n')
        expect(rows.length).toBeLessThanOrEqual(23)
        expect(rows.every(row => row.length <= 80)).toBe(true)
      }),
    )
  })

  it('is read back, in colour and without', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[ -~]{1,200}$/), fc.boolean(), (text, colour) => {
        expect(scan(picture(renderQr(text, colour)))).toBe(text)
      }),
      { numRuns: 20 },
    )
  })

  it.skipIf(lacking(hasZbar))('is read back by zbarimg (package zbar-tools)', () => {
    const uri = otpauthUri('gate', 'alice', new Uint8Array(20).fill(7))
    expect(zbarScan(picture(renderQr(uri, true)))).toBe(uri)
    expect(zbarScan(picture(renderQr(uri, false)))).toBe(uri)
  })

  it('says its colours in every cell, and ends them on every line', () => {
    for (const line of renderQr('x', true).trimEnd().split('\n')) {
      expect(line).toMatch(/^(\x1b\[38;5;(16|231);48;5;(16|231)m▀+)+\x1b\[0m$/)
    }
  })
})

describe('a short otpauth URI', () => {
  it('lacks only what every app takes for granted', () => {
    fc.assert(
      fc.property(name, name, secret, (issuer, label, secret) => {
        const full = new URL(otpauthUri(issuer, label, secret))
        const short = new URL(shortenOtpauth(full.href))
        const implied = { algorithm: 'SHA1', digits: '6', period: '30' }
        expect(short.pathname).toBe(full.pathname)
        expect({ ...implied, ...Object.fromEntries(short.searchParams) }).toEqual(
          Object.fromEntries(full.searchParams),
        )
      }),
    )
  })

  it('fits on the screen if the names together have 43 characters', () => {
    const uri = otpauthUri('g'.repeat(11), 'u'.repeat(32), new Uint8Array(20))
    expect(shortenOtpauth(uri)).toHaveLength(106)
  })
})
