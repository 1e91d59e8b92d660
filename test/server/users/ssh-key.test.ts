import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseSshKey } from '../../../server/src/users/ssh-key.ts'

const KINDS = [
  ['ed25519', '256'],
  ['rsa', '2048'],
  ['rsa', '3072'],
  ['ecdsa', '256'],
  ['ecdsa', '384'],
  ['ecdsa', '521'],
] as const

const field = (bytes: Buffer | string) => {
  const value = Buffer.from(bytes)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(value.length)
  return Buffer.concat([length, value])
}
const key = (kind: string, ...fields: (Buffer | string)[]) =>
  `${kind} ${Buffer.concat([kind, ...fields].map(field)).toString('base64')}`
const POINT = Buffer.concat([Buffer.of(4), Buffer.alloc(64, 7)])

describe('an ssh public key', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'okh-keys-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it.each(KINDS)('is what ssh-keygen -t %s -b %s makes, without its comment', (kind, bits) => {
    const file = join(folder, `${kind}${bits}`)
    const comment = 'anna at home, "quoted"'
    execFileSync('ssh-keygen', ['-q', '-t', kind, '-b', bits, '-N', '', '-C', comment, '-f', file])
    const text = readFileSync(`${file}.pub`, 'utf8').trimEnd()
    expect(text.endsWith(comment)).toBe(true)
    expect(parseSshKey(text)).toBe(text.slice(0, -comment.length - 1))
  })

  it('may be one on a token', () => {
    const ed25519 = key('sk-ssh-ed25519@openssh.com', Buffer.alloc(32, 7), 'ssh:')
    const ecdsa = key('sk-ecdsa-sha2-nistp256@openssh.com', 'nistp256', POINT, 'ssh:')
    expect(parseSshKey(ed25519)).toBe(ed25519)
    expect(parseSshKey(`${ecdsa} on a key ring`)).toBe(ecdsa)
  })

  const good = key('ssh-ed25519', Buffer.alloc(32, 7))
  it.each([
    ['options before it', `command="sh" ${good}`],
    ['a second line', `${good} anna\nssh-rsa AAAA`],
    ['a second line by a carriage return', `${good} anna\r${good}`],
    ['a second line for a comment', `${good}\n`],
    ['another type outside than inside', good.replace('ssh-ed25519', 'ssh-rsa')],
    ['a byte too few', key('ssh-ed25519', Buffer.alloc(31))],
    ['a byte too many', key('ssh-ed25519', Buffer.alloc(33))],
    ['a field too many', key('ssh-ed25519', Buffer.alloc(32), 'more')],
    ['a cut field', good.slice(0, -8)],
    [
      'bytes after the last field',
      `ssh-ed25519 ${Buffer.concat([Buffer.from(good.split(' ')[1]!, 'base64'), Buffer.of(0)]).toString('base64')}`,
    ],
    ['base64 that is not canonical', `${good.slice(0, -1)}`.replace(/.$/, 'B=')],
    ['no base64', 'ssh-ed25519 ****'],
    ['nothing after the type', 'ssh-ed25519'],
    ['nothing', ''],
    ['a short RSA key', key('ssh-rsa', Buffer.of(1, 0, 1), Buffer.alloc(128, 7))],
    ['an old kind', key('ssh-dss', Buffer.alloc(32))],
    ['a certificate', key('ssh-ed25519-cert-v01@openssh.com', Buffer.alloc(32))],
    ['a curve that is not its own', key('ecdsa-sha2-nistp256', 'nistp384', POINT)],
    ['a compressed point', key('ecdsa-sha2-nistp256', 'nistp256', Buffer.alloc(65, 2))],
    ['no application', key('sk-ssh-ed25519@openssh.com', Buffer.alloc(32))],
  ])('is none with %s', (_, text) => {
    expect(parseSshKey(good)).toBe(good)
    expect(parseSshKey(text)).toBeUndefined()
  })
})
