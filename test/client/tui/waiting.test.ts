import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { formatProfile, parseProfile } from '../../../client/src/profile.ts'
import { lock, unlockedAlready } from '../../../client/src/unlocking.ts'
import { answer, type FakeServer } from '../fake-server.ts'
import { Home, invitation, serveTarget } from '../run.ts'
import { hasTmux, type Sitting, Tmux } from './tmux.ts'

/* The built program in a real terminal, before a server that says what a test tells it to. */

let home: Home
let server: FakeServer
let at: Tmux
beforeEach(async () => {
  home = new Home()
  server = await serveTarget(home, {}, { services: ['ssh'] })
})
afterEach(async () => {
  at?.leave()
  await server.stop()
  home.remove()
})

async function sit(sitting?: Sitting): Promise<Tmux> {
  at = new Tmux(home, sitting)
  await at.sees(/❯ home/)
  return at
}

async function knocks(tmux: Tmux): Promise<void> {
  tmux.press('Enter')
  await tmux.sees(/Code {2}·/)
  tmux.type('123456')
  tmux.press('Enter')
}

const profileFile = () => home.file('home')
const change = (fields: object) => {
  const profile = JSON.parse(readFileSync(profileFile(), 'utf8'))
  writeFileSync(profileFile(), JSON.stringify({ ...profile, ...fields }))
}
/** A program that stands before the real one of that name. */
function stand(name: string, script: string): void {
  const path = join(home.path, name)
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
}

describe.skipIf(!hasTmux && process.env.CI !== 'true')('a session waits', () => {
  it('for a reply: says that it asks again, and opens when it comes', async () => {
    server.script = (received, { received: all }) => (all.length < 3 ? [] : [answer(received)])
    const tmux = await sit()
    await knocks(tmux)
    await tmux.sees(/127\.0\.0\.1: no reply yet, sent 2 times[\s\S]*gives up in 0:0\d/)
    await tmux.sees(/● open ssh/)
    expect(new Set(server.received.map(({ knock }) => knock.knockId)).size).toBe(1)
  })

  it('for a reply that never comes: names the clock first', async () => {
    server.script = () => []
    const tmux = await sit()
    await knocks(tmux)
    await tmux.sees(/✗ No reply[\s\S]*What to do[\s\S]*clock first \(timedatectl/)
  })

  it('for an approval, as long as one likes', async () => {
    let isApproved = false
    server.script = received => [
      answer(received, isApproved ? {} : { status: 'pending', lifetime: 0, detail: 'phone' }),
    ]
    const tmux = await sit()
    await knocks(tmux)
    await tmux.sees(/Waiting for somebody to approve \(phone\)[\s\S]*stops waiting in 1:5\d/)
    isApproved = true
    await tmux.sees(/● open ssh/)
    tmux.press('Escape')
    await tmux.sees(/❯ home/)

    isApproved = false
    tmux.press('Enter', 'e')
    await tmux.sees(/Code {2}·/)
    tmux.type('654321')
    tmux.press('Enter')
    await tmux.sees(/Waiting for somebody/)
    tmux.press('Escape')
    await tmux.sees(/● open ssh/)
    const { length } = server.received
    tmux.press('Escape')
    await tmux.sees(/❯ home[\s\S]*stopped; the door may open all the same/)
    // For longer than it would take to ask again.
    const seconds = () => Number(/open \d+:(\d\d)/.exec(tmux.screen())?.[1])
    const from = seconds()
    await tmux.waits(seconds, now => (from - now + 60) % 60 >= 3, 'three seconds go by')
    expect(server.received).toHaveLength(length)
  })

  it('for nothing, where no server is: says so', async () => {
    await server.stop()
    const tmux = await sit()
    await knocks(tmux)
    await tmux.sees(/nothing listens there/)
  })
})

describe.skipIf(!hasTmux && process.env.CI !== 'true')('a code comes', () => {
  it("from the target's own command, which may ask on the terminal", async () => {
    stand('my-codes', 'printf "PIN: " >/dev/tty; read -r pin; [ "$pin" = 42 ] && echo 246810')
    change({ otp_command: 'my-codes' })
    const tmux = await sit()
    tmux.press('Enter')
    await tmux.sees(/^PIN: *$/m)
    tmux.type('42')
    tmux.press('Enter')
    await tmux.sees(/● open ssh/)
    expect(server.received[0]!.knock.factor).toEqual({ kind: 'totp', code: '246810' })
    expect(tmux.property('alternate_on')).toBe('1')
    tmux.press('Escape')
    await tmux.sees(/❯ home/)
  })

  it('from the person, if that command fails', async () => {
    change({ otp_command: 'exit 3' })
    const tmux = await sit()
    tmux.press('Enter')
    await tmux.sees(/Nothing was sent[\s\S]*ended with status 3/)
    tmux.press('Enter')
    await tmux.sees(/Leave it empty/)
    tmux.type('123456')
    tmux.press('Enter')
    await tmux.sees(/● open ssh/)
  })

  it('after the passphrase, if the key is locked', async () => {
    const profile = parseProfile(readFileSync(profileFile(), 'utf8'))
    if (!profile.ok) throw new Error(profile.error.problem)
    const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes))
    const locked = await lock(unlockedAlready(profile.value)!, 'correct horse', random)
    writeFileSync(profileFile(), formatProfile(locked))
    const tmux = await sit()
    tmux.press('Enter')
    await tmux.sees(/The key of home is locked/)
    tmux.type('wrong horse')
    tmux.press('Enter')
    await tmux.sees(/does not open it/)
    tmux.type('correct horse')
    tmux.press('Enter')
    await tmux.sees(/Code {2}·/)
    tmux.type('123456')
    tmux.press('Enter')
    await tmux.sees(/● open ssh/)
    expect(tmux.written()).not.toContain('horse')
  })
})

describe.skipIf(!hasTmux && process.env.CI !== 'true')('the command', () => {
  it('is copied to the clipboard of the terminal', async () => {
    const tmux = await sit()
    await knocks(tmux)
    await tmux.sees(/● open ssh/)
    tmux.press('y')
    await tmux.sees(/copied/)
    expect(tmux.clipboard()).toBe('ssh 127.0.0.1')
  })

  it('is run as if typed before the session, and the session goes on after it', async () => {
    stand('ssh', 'stty -a >"$HERE/within"; echo "connected: $*"; read -r line; echo "got $line"')
    const tmux = await sit()
    await knocks(tmux)
    await tmux.sees(/● open ssh/)
    tmux.press('r')
    const screen = await tmux.sees(/connected: 127\.0\.0\.1/)
    expect(screen).toContain('a line from before')
    tmux.resize(70, 22)
    tmux.type('hello')
    tmux.press('Enter')
    await tmux.sees(/ssh 127\.0\.0\.1: ended[\s\S]*extend/)
    expect(tmux.screen().split('\n')[1]).toBe('─'.repeat(70))
    expect(readFileSync(join(home.path, 'within'), 'utf8')).toBe(
      readFileSync(join(home.path, 'before'), 'utf8'),
    )
    tmux.press('C-c')
    expect(await tmux.ends()).toBe(0)
    expect(tmux.screen()).toContain('got hello')
  })

  it('that fails can be read before the session goes on, and ^C is its own', async () => {
    stand('ssh', 'trap "echo caught; exit 255" INT; echo waiting; while :; do sleep 0.1; done')
    const tmux = await sit()
    await knocks(tmux)
    await tmux.sees(/● open ssh/)
    tmux.press('r')
    await tmux.sees(/waiting/)
    tmux.press('C-c')
    await tmux.sees(/caught\s+oneknock: ssh 127\.0\.0\.1 was ended by SIGINT; Enter goes back/)
    tmux.press('Enter')
    await tmux.sees(/● open ssh/)
    tmux.press('Escape')
    await tmux.sees(/❯ home/)
  })
})

describe.skipIf(!hasTmux && process.env.CI !== 'true')('a profile', () => {
  it('that others may read is named with its remedy, and the rest is there', async () => {
    mkdirSync(home.folder, { recursive: true })
    const added = await home.run(['add', '--name', 'lax'], invitation())
    expect(added.status).toBe(0)
    chmodSync(home.file('lax'), 0o644)
    at = new Tmux(home, { columns: 120 })
    await at.sees(/❯ home[\s\S]*lax\.json is open to other users: chmod 600/)
  })

  it('that is gone by the time of the knock is missed, and nothing is sent', async () => {
    const tmux = await sit()
    tmux.press('Enter')
    await tmux.sees(/Code {2}·/)
    expect((await home.run(['remove', 'home'])).status).toBe(0)
    tmux.type('123456')
    tmux.press('Enter')
    await tmux.sees(/Nothing was sent[\s\S]*no target home/)
    expect(server.received).toEqual([])
  })
})
