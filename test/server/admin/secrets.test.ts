import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { deriveKeys, fromBase64Url, parseTotpSecret, toBase64Url, toHex } from '@oneknock/shared'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { until } from '../kit.ts'
import { codeOf, freeTcpPort, Gateway } from './gateway.ts'

let g: Gateway
let metricsPort: number
beforeEach(async () => {
  metricsPort = await freeTcpPort()
  g = await Gateway.make(`[metrics]\nlisten = "127.0.0.1:${metricsPort}"\n`)
})
afterEach(() => g.remove())

/** Every way in which bytes might be written. */
const spelt = (bytes: Uint8Array): string[] => [
  toHex(bytes),
  toBase64Url(bytes),
  Buffer.from(bytes).toString('base64').replace(/=+$/, ''),
  [...bytes].join(','),
]

it('no command tells a secret but the one that makes it, and none gets into the log', async () => {
  const alice = await g.add('alice')
  const daemon = await g.start()
  let followed = ''
  const follower = g.spawn('audit', 'tail', '--follow', '--json')
  follower.stdout!.on('data', chunk => {
    followed += chunk
  })
  await until(
    () => followed,
    text => text.includes('started'),
    30_000,
  )
  const reset = await g.json('user', 'reset', 'alice')
  const phone = await g.json('device', 'add', 'alice', 'phone')
  const codes = [codeOf(alice), codeOf(reset)]
  const knocker = g.knocker(phone)
  const [recovery] = reset.recovery_codes
  for (const code of codes) await knocker.ask({ factor: { kind: 'totp', code } })
  await knocker.ask({ factor: { kind: 'recovery', code: recovery } })

  const told: string[] = []
  const tell = async (...args: string[]) => {
    const { stdout, stderr } = await g.run(...args)
    told.push(stdout, stderr)
  }
  for (const command of ['status', 'grants', 'doctor', 'reload', 'check']) await tell(command)
  for (const command of ['show', 'tail', 'verify', 'head']) await tell('audit', command, '--json')
  for (const command of ['show', 'lock', 'unlock']) await tell('user', command, 'alice')
  await tell('user', 'list', '--json')
  await tell('device', 'remove', 'alice', 'phone')
  told.push(await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text())
  await until(
    () => followed,
    text => text.includes('unlocked'),
  )
  await g.end(daemon)
  const ledger = join(g.state, 'ledger')
  const lines = readdirSync(ledger).map(file => readFileSync(join(ledger, file), 'utf8'))
  const written = [...told, ...lines, g.output, followed].join('\n')

  const texts = [alice, reset].map(({ otpauth }) => new URL(otpauth).searchParams.get('secret')!)
  const keys = [alice, phone].map(({ device_key }) => fromBase64Url(device_key)!)
  const secrets = [
    ...[alice.invitation, phone.invitation, ...texts],
    ...[...alice.recovery_codes, ...reset.recovery_codes].flatMap((code: string) => [
      code,
      code.replaceAll('-', ''),
    ]),
    ...texts.flatMap(text => spelt(parseTotpSecret(text)!)),
    ...keys.flatMap(key => [key, ...Object.values(deriveKeys(key))].flatMap(spelt)),
  ]
  for (const one of secrets) expect(written).not.toContain(one)
  // Six digits may stand in a hash by chance, but not by themselves.
  for (const code of codes) {
    expect(written).not.toMatch(new RegExp(`(?<![0-9a-f])${code}(?![0-9a-f])`))
  }
  // It is not because nothing was written.
  expect(written).toMatch(/wrong-factor[\s\S]*alice\/phone/)
  expect(followed).toContain('"opened"')
}, 60_000)
