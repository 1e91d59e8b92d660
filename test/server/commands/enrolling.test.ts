import { existsSync, readFileSync } from 'node:fs'
import { parseTotpSecret, totpCode, totpStep } from '@oneknock/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Person } from './person.ts'
import { picture, scan } from './screen.ts'
import { type Site, site } from './site.ts'

const QUESTION = 'The code that the app shows now'

let s: Site
let person: Person
beforeEach(() => {
  s = site()
})
afterEach(() => person.leave())

/** What the phone scans. */
function secret(): Uint8Array {
  const lines = person.shown.replaceAll('\r', '').split('\n')
  const qr = lines.filter(line => line.startsWith('\x1b[38;5;')).join('\n')
  return parseTotpSecret(new URL(scan(picture(qr))).searchParams.get('secret')!)!
}

const code = (steps: number) => totpCode(secret(), totpStep(Date.now()) + steps)

describe('user add on a terminal', () => {
  it('asks for the first code until it is right, and adds nobody before', async () => {
    person = new Person(s, 'user add alice --services web')
    await person.sees(QUESTION)
    expect(existsSync(s.userFile('alice'))).toBe(false)
    person.type('12345\r')
    await person.sees('A code is six digits.')
    // Ten minutes ago, by the phone's clock.
    person.type(`${code(-20)}\r`)
    await person.sees("10 min behind this server's")
    person.type(`${code(3600)}\r`)
    await person.sees('That is not its code')
    expect(existsSync(s.userFile('alice'))).toBe(false)
    const right = code(0)
    person.type(`${right.slice(0, 3)} ${right.slice(3)}\r`)
    await person.sees('The code is right: phone and clock agree.')
    await person.sees('status=0')
    expect(JSON.parse((await s.run(['user', 'show', 'alice', '--json'])).stdout)).toMatchObject({
      services: ['web'],
      totp: true,
    })
  })

  it('can be put off', async () => {
    person = new Person(s, 'user add alice --services web')
    await person.sees(QUESTION)
    person.type('\r')
    await person.sees('No code was tried')
    await person.sees('status=0')
    expect(existsSync(s.userFile('alice'))).toBe(true)
  })

  it.each([
    ['ctrl-C', '\x03'],
    ['ctrl-D', '\x04'],
  ])('leaves nothing behind after %s', async (_, key) => {
    person = new Person(s, 'user add alice --services web')
    await person.sees(QUESTION)
    person.type(key)
    await person.sees(/\noneknockd: alice was not added; delete what was scanned/)
    await person.sees('status=1')
    expect(existsSync(s.userFile('alice'))).toBe(false)
  })

  it('shows no secret of somebody who is there already', async () => {
    await s.run(['user', 'add', 'alice', '-s', 'web', '--json'])
    person = new Person(s, 'user add alice --services web')
    await person.sees('status=1')
    expect(person.shown).toContain('there is a user alice already')
    expect(person.shown).not.toContain('oneknock://')
  })

  it('asks nobody with --json', async () => {
    person = new Person(s, 'user add alice --services web --json')
    await person.sees('status=0')
    expect(person.shown).not.toContain(QUESTION)
  })
})

describe('user reset on a terminal', () => {
  it('replaces the authenticator once the new one is known to work', async () => {
    await s.run(['user', 'add', 'alice', '-s', 'web', '--json'])
    const before = readFileSync(s.userFile('alice'), 'utf8')
    person = new Person(s, 'user reset alice')
    await person.sees(QUESTION)
    expect(readFileSync(s.userFile('alice'), 'utf8')).toBe(before)
    person.type(`${code(0)}\r`)
    await person.sees('status=0')
    expect(readFileSync(s.userFile('alice'), 'utf8')).not.toBe(before)
  })
})
