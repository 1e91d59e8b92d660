import { chmodSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { planOf } from '../../../server/src/compose/http.ts'
import { secretErrors } from '../../../server/src/compose/secret-files.ts'
import { makeValidator } from '../../../server/src/compose/validation.ts'
import type { Config } from '../../../server/src/config.ts'
import { scratch, write } from '../config/scratch.ts'
import { HandClock } from '../kit.ts'
import { settings as httpSettings } from '../listeners/http.ts'
import { API_KEY } from './stand-in.ts'

const KEY_TEXT = API_KEY.toString('base64')
/** Nobody listens there. */
const NOWHERE = 'http://127.0.0.1:9/wsapi/2.0/verify'

let folder: string
let key: string
beforeEach(() => {
  folder = scratch()
  key = write(join(folder, 'client.key'), `${KEY_TEXT}\n`)
})
afterEach(() => rmSync(folder, { recursive: true }))

const config = (changes: Partial<Config> = {}) =>
  ({
    file: 'oneknockd.toml',
    ...{ delivery: new Map(), services: new Map() },
    http: httpSettings(8975, { validation: new Map([['1', key]]) }),
    yubikey: { servers: [NOWHERE], clientId: 1, key: { kind: 'file', path: key } },
    ...changes,
  }) as Config

function logged() {
  const lines: { readonly msg: string }[] = []
  return { lines, log: pino({ base: null }, { write: text => lines.push(JSON.parse(text)) }) }
}

describe('what is wrong with API keys', () => {
  it('is nothing if they can be read, or are in the environment of the daemon alone', () => {
    expect(secretErrors(config())).toEqual([])
    const variable = { kind: 'environment', variable: 'NOWHERE' } as const
    const yubikey = { servers: [NOWHERE], clientId: 1, key: variable }
    expect(secretErrors(config({ http: undefined, yubikey }))).toEqual([])
  })

  it('is said of each, and never with the key', () => {
    write(key, 'not base64 at all!')
    const said = secretErrors(config())
    expect(said.map(error => error.key)).toEqual(['yubikey', 'http.validation.clients.1'])
    expect(said[0]!.message).toMatch(/client\.key holds no API key, 16 bytes in base64; /)
    expect(JSON.stringify(said)).not.toContain('not base64')
    chmodSync(key, 0o644)
    expect(secretErrors(config())[1]!.message).toContain('others can read it; run: chmod 600')
  })
})

describe('the keys of clients', () => {
  it('are read with the configuration, and never because somebody asks', async () => {
    const plan = await planOf(config())
    expect(plan!.clientKeys).toEqual(new Map([['1', API_KEY]]))
    rmSync(key)
    await expect(planOf(config())).rejects.toThrow(
      /^http\.validation\.clients\.1: \S+client\.key: does not exist$/,
    )
  })
})

describe('what strangers can have logged', () => {
  it('is a line a minute for each server that gives no valid answer', async () => {
    const clock = new HandClock()
    const { lines, log } = logged()
    const validate = makeValidator(() => ({ config: config() }), clock, log)
    for (let i = 0; i < 3; i++) expect(await validate('c'.repeat(44))).toBe('unavailable')
    expect(lines).toMatchObject([{ server: NOWHERE, why: expect.stringContaining('cannot be') }])
    clock.pass(60_000)
    await validate('c'.repeat(44))
    expect(lines).toHaveLength(2)
  })
})
