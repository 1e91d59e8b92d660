import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../server/src/config.ts'
import { parseUser } from '../../../server/src/users.ts'
import { FILE, good } from './reading.ts'

/* docs/configuration.md has every key that there is, in the section of its table, and no other. */

const TEXT = readFileSync(
  fileURLToPath(new URL('../../../docs/configuration.md', import.meta.url)),
  'utf8',
)

const block = (kind: string): string =>
  new RegExp(`^\`\`\`toml ${kind}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(TEXT)![1]!

/** The keys in the first column of a section's tables. */
function keysShown(heading: string): string[] {
  const [, section = ''] = TEXT.split(`\n## ${heading}\n`)
  const rows = section.split('\n## ', 1)[0]!.matchAll(/^\| (`[^|]*) \|/gm)
  return [...rows].flatMap(([, cell]) => [...cell!.matchAll(/`([^`]+)`/g)].map(([, key]) => key!))
}

const UNKNOWN = 'zzzzzzzzzz'

/** What a table says that it knows, when it is asked for something else. */
async function keysKnown(table: string): Promise<string[]> {
  const header = table === '' ? '' : `[${table}]\n`
  const parsed = await parseConfig(FILE, `${header}${UNKNOWN} = 1\n`)
  return knownIn(parsed.ok ? [] : parsed.error)
}

function knownIn(errors: readonly { readonly key?: string; readonly message: string }[]): string[] {
  const said = errors.find(({ key }) => key?.endsWith(UNKNOWN))?.message ?? ''
  return said.replace('no such key; those known here are ', '').split(', ')
}

describe('docs/configuration.md', () => {
  it.each<[heading: string, tables: readonly string[]]>([
    ['`[firewall]`', ['firewall']],
    ['`[services.NAME]`', ['services.s']],
    ['`[services.NAME.exec]`', ['services.s.exec']],
    ['`[services.NAME.routeros]`', ['services.s.routeros']],
    ['`[http]`', ['http']],
    ['`[radius]` and `[radius.clients.NAME]`', ['radius', 'radius.clients.c']],
    ['`[delivery.NAME]`', ['delivery.d']],
    ['`[yubikey]`', ['yubikey']],
    ['`[helper]`, `[admin]` and `[metrics]`', ['helper', 'admin', 'metrics']],
  ])('%s has the keys of that table', async (heading, tables) => {
    const known = (await Promise.all(tables.map(keysKnown))).flat()
    expect(keysShown(heading).toSorted()).toEqual(known.toSorted())
  })

  it('has the keys of the file itself, and names its tables', async () => {
    const known = await keysKnown('')
    const shown = keysShown('The file itself')
    const tables = known.filter(key => !shown.includes(key))
    expect(shown.filter(key => !known.includes(key))).toEqual([])
    expect(tables).toHaveLength(9)
    for (const table of tables) expect(TEXT).toMatch(new RegExp(`^## .*\`\\[${table}\\b`, 'm'))
  })

  it('has the keys of a user', async () => {
    const users = { usersFolder: '/etc/oneknock/users', services: new Map() }
    const parsed = await parseUser(users, 'anna', `services = []\n${UNKNOWN} = 1\n`)
    const known = knownIn(parsed.ok ? [] : parsed.error)
    expect(keysShown('`users/NAME.toml`').toSorted()).toEqual(known.toSorted())
  })

  it.each([
    ['services.s.gate', 'listen, forward, proxy_protocol'],
    ['services.s.max_prefix', 'ipv4, ipv6'],
    ['services.s.lifetime', 'base, grows, cap'],
    ['services.s.schedule', 'days, hours, zone'],
    ['http.tls', 'cert, key'],
    ['delivery.d.mail', 'server, from, ca, user, password_file, password_env'],
    ['delivery.d.ntfy', 'server, token_file, token_env'],
    ['delivery.d.webhook', 'url, secret_file, secret_env'],
  ])('has the keys of %s, which are %s', async (table, keys) => {
    expect(TEXT).toContain(`{ ${keys} }`)
    expect((await keysKnown(table)).toSorted()).toEqual(keys.split(', ').toSorted())
  })

  it('shows a configuration and a user that are right', async () => {
    const { services } = await good(block('configuration'))
    const users = { usersFolder: '/etc/oneknock/users', services }
    expect(await parseUser(users, 'anna', block('user'))).toMatchObject({ ok: true })
  })
})
