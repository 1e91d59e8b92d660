import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  deriveKeys,
  fromBase64Url,
  parseTotpSecret,
  toBase64Url,
  toHex,
  totpCode,
  totpStep,
} from '@oneknock/shared'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { askDaemon } from '../../server/src/control.ts'
import { buildDaemon, Daemon, HERE } from '../e2e/daemon.ts'
import { freeUdpPort, Knocker } from './knocker.ts'

let program: Awaited<ReturnType<typeof buildDaemon>>
let daemon: Daemon
let knocker: Knocker
let added: {
  readonly device_key: string
  readonly otpauth: string
  readonly invitation: string
  readonly recovery_codes: readonly string[]
}

beforeAll(async () => {
  program = await buildDaemon()
}, 60_000)
afterAll(() => program?.remove())

beforeEach(async () => {
  const port = await freeUdpPort()
  daemon = new Daemon(
    HERE,
    program.path,
    folder => `
listen = ["127.0.0.1:${port}"]
public = "127.0.0.1:${port}"
state = "${folder}/state"
[services.good]
exec = { open = ["/bin/true"] }
[services.bad]
exec = { open = ["/bin/sh", "-c", "env; exit 3"] }
`,
  )
  const command = ['user', 'add', 'alice', '--services', 'good,bad', '--json']
  added = JSON.parse((await daemon.command(...command)).stdout)
  knocker = new Knocker(added.invitation)
  await daemon.start()
})
afterEach(async () => {
  knocker?.close()
  await daemon?.remove()
})

/** Every way in which bytes might be written. */
const spelt = (bytes: Uint8Array): string[] => [
  toHex(bytes),
  toHex(bytes).toUpperCase(),
  toBase64Url(bytes),
  Buffer.from(bytes).toString('base64').replace(/=+$/, ''),
  Buffer.from(bytes).toString('latin1'),
  [...bytes].join(','),
]

it('no code, key or secret is in the ledger, in the log, or told over the control socket', async () => {
  const secretText = new URL(added.otpauth).searchParams.get('secret')!
  const secret = parseTotpSecret(secretText)!
  const key = fromBase64Url(added.device_key)!
  const step = totpStep(Date.now())
  const right = totpCode(secret, step)
  const next = totpCode(secret, step + 1)
  const [recovery, another] = added.recovery_codes as [string, string]
  const typed = ['hunter2-hunter2', '31415926']

  const asks = [
    { factor: { kind: 'totp', code: right }, services: ['good'] },
    { factor: { kind: 'totp', code: right }, services: ['good'] },
    { factor: { kind: 'totp', code: next }, services: ['bad'] },
    { factor: { kind: 'recovery', code: recovery }, services: ['good'] },
    { factor: { kind: 'recovery', code: another }, services: ['nosuch'] },
    // What people type by mistake is often a password of theirs.
    { factor: { kind: 'totp', code: typed[0]! }, services: ['good'] },
    { factor: { kind: 'recovery', code: typed[1]! }, services: [] },
    { verb: 'close' },
  ] as const
  const reasons: string[] = []
  for (const ask of asks) {
    const knock = { knockId: `${reasons.length}`.padStart(16, '0'), ...ask }
    reasons.push((await knocker.ask(knock)).reason)
    await knocker.ask(knock)
  }
  expect(reasons).toEqual([
    'none',
    'factor-used',
    'hook-failed',
    'none',
    'service',
    'wrong-factor',
    'wrong-factor',
    'none',
  ])

  const state = join(daemon.folder, 'state')
  const told = await Promise.all(['status', 'grants'].map(command => askDaemon(state, { command })))
  // Another file opens with a checkpoint: it must hold as little.
  await daemon.end('SIGTERM')
  const log = daemon.output.join('')
  await daemon.start()
  const ledger = join(state, 'ledger')
  const lines = readdirSync(ledger).map(file => readFileSync(join(ledger, file), 'utf8'))
  const written = [...lines, log, daemon.output.join(''), JSON.stringify(told)].join('\n')

  const secrets = [
    secretText,
    secretText.toLowerCase(),
    added.invitation,
    recovery,
    another,
    recovery.replaceAll('-', ''),
    ...typed,
    ...[secret, key, ...Object.values(deriveKeys(key))].flatMap(spelt),
  ]
  for (const one of secrets) expect(written).not.toContain(one)
  // Six digits may stand in a hash by chance, but not by themselves.
  for (const code of [right, next]) {
    expect(written).not.toMatch(new RegExp(`(?<![0-9a-f])${code}(?![0-9a-f])`))
  }
  // It is not because nothing was written.
  expect(written).toContain('"reason":"wrong-factor"')
  expect(written).toContain('"event":"checkpoint"')
  expect(written).toContain('hook failed')
})
