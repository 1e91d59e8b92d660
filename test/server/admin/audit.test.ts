import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { until } from '../kit.ts'
import { codeOf, type Enrolled, Gateway } from './gateway.ts'

let g: Gateway
/** What `audit tail --follow` has printed. */
let followed = ''

/** The files of the ledger, oldest first. */
const files = (of: Gateway): string[] => {
  const ledger = join(of.state, 'ledger')
  const names = readdirSync(ledger).filter(name => name.endsWith('.jsonl'))
  return names.sort().map(name => join(ledger, name))
}

/** A wrong code, a right one, a code that was used, and the door closed again; and somebody else. */
async function live(at: Gateway, alice: Enrolled, bob: Enrolled): Promise<void> {
  const laptop = at.knocker(alice)
  const right = { kind: 'totp', code: codeOf(alice) } as const
  const wrong = { kind: 'totp', code: right.code === '000000' ? '000001' : '000000' } as const
  await laptop.ask({ factor: wrong })
  await laptop.ask({ factor: right })
  await laptop.ask({ factor: right })
  await laptop.ask({ verb: 'close' })
  await at.letIn(bob)
}

/** Another one, of the same life, whose daemon has ended: to be damaged. */
async function ended(): Promise<Gateway> {
  const other = await Gateway.make()
  onTestFinished(() => other.remove())
  const people = [await other.add('alice'), await other.add('bob')] as const
  const daemon = await other.start()
  await live(other, ...people)
  await other.end(daemon)
  return other
}

beforeAll(async () => {
  g = await Gateway.make()
  const [alice, bob] = await Promise.all([g.add('alice'), g.add('bob')])
  await g.start()
  const follower = g.spawn('audit', 'tail', '--follow', '--json')
  follower.stdout!.on('data', chunk => {
    followed += chunk
  })
  await until(
    () => followed,
    text => text.includes('"started"'),
    30_000,
  )
  await live(g, alice, bob)
})
afterAll(() => g.remove())

describe('audit show', () => {
  it('says who opened what, from where, until when; and who was refused, and why', async () => {
    const rows = await g.json('audit', 'show', '--user', 'alice', '--since', '24h')
    const who = { user: 'alice', device: 'main', from: '127.0.0.1' }
    expect(rows).toMatchObject([
      { ...who, result: 'refused', why: 'wrong-factor', factor: 'totp' },
      { ...who, result: 'opened', why: 'closed', factor: 'totp' },
      { ...who, result: 'refused', why: 'factor-used' },
      { ...who, result: 'closed', services: ['web'] },
    ])
    const [, opened, , closed] = rows
    expect(closed).not.toHaveProperty('factor')
    expect(opened).toMatchObject({ services: ['web'], addresses: ['127.0.0.1'] })
    expect(Date.parse(opened.until) - Date.parse(opened.at)).toBe(3600_000)
    expect(Date.parse(opened.ended)).toBeGreaterThanOrEqual(Date.parse(opened.at))
  })

  it('is a table for people, of everybody unless told otherwise', async () => {
    const { stdout } = await g.run('audit', 'show')
    const lines = stdout.trimEnd().split('\n')
    expect(lines[0]).toMatch(/^WHEN +WHO +FROM +WHAT +RESULT$/)
    expect(lines[1]).toMatch(/Z +started$/)
    const about = (name: string) => lines.filter(line => line.includes(`${name}/main`))
    expect(about('alice')).toHaveLength(4)
    expect(about('bob')).toEqual([
      expect.stringMatching(/Z {2}bob\/main +127\.0\.0\.1 {2}web +opened for 127\.0\.0\.1 until 2/),
    ])
  })

  it.each([
    ['soon', 1],
    ['2026-13-01', 1],
    ['7d', 0],
    ['2020-01-01T00:00Z', 0],
    ['2020-01-01', 0],
  ])('--since %s', async (since, status) => {
    const shown = await g.run('audit', 'show', '--since', since, '--user', 'bob')
    expect(shown.status).toBe(status)
    expect(status === 0 ? shown.stdout : shown.stderr).toMatch(status === 0 ? /bob/ : /write how/)
  })

  it('says when there is nothing', async () => {
    expect(await g.run('audit', 'show', '--user', 'carol')).toEqual({
      status: 0,
      stdout: '',
      stderr: 'Nothing is on record.\n',
    })
  })
})

describe('audit tail', () => {
  it('shows the last events', async () => {
    const { stdout } = await g.run('audit', 'tail', '--lines', '2', '--json')
    const events = stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line).event)
    expect(events).toMatchObject([
      { event: 'ended', user: 'alice' },
      { event: 'knock', user: 'bob' },
    ])
  })

  it('follows: what was recorded before comes once, and what comes later as it does', async () => {
    const events = () =>
      followed
        .trimEnd()
        .split('\n')
        .map(line => JSON.parse(line).event)
    const seen = await until(events, all => all.length >= 7)
    expect(seen.map(({ event, what, user }) => [event, what ?? user])).toEqual([
      ['note', 'started'],
      ['knock', 'alice'],
      ['knock', 'alice'],
      ['knock', 'alice'],
      ['knock', 'alice'],
      ['ended', 'alice'],
      ['knock', 'bob'],
    ])
  })
})

describe('audit verify', () => {
  it('proves the chain while the daemon runs, and says where it stands', async () => {
    const verified = await g.json('audit', 'verify')
    expect(verified).toMatchObject({ whole: true, files: 1 })
    expect(verified.head).toEqual(await g.json('audit', 'head'))
    expect(verified.lines).toBe(verified.head.seq)
    const lastLine = readFileSync(files(g).at(-1)!, 'utf8').trimEnd().split('\n').at(-1)!
    expect(JSON.parse(lastLine).hash).toBe(verified.head.hash)
  })

  it('names the first bad line, and repair says what it would cost before it does it', async () => {
    const other = await ended()
    const file = files(other).at(-1)!
    const lines = readFileSync(file, 'utf8').split('\n')
    writeFileSync(file, lines.with(3, lines[3]!.replace('alice', 'mallo')).join('\n'))
    const line = `${file}: line 4 does not carry the hash`
    for (const command of ['verify', 'show']) {
      const { status, stderr } = await other.run('audit', command)
      expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(line) })
    }
    const damaged = readFileSync(file)
    const refused = await other.run('audit', 'repair')
    expect(refused).toMatchObject({ status: 1, stdout: '' })
    expect(refused.stderr).toContain('used codes may be accepted again')
    expect(refused.stderr).toContain(
      `oneknockd audit repair --accept-forgetting --config ${other.config}`,
    )
    expect(readFileSync(file)).toEqual(damaged)

    const repaired = await other.json('audit', 'repair', '--accept-forgetting')
    expect(repaired.repaired).toMatchObject([{ file, lostBytes: expect.any(Number) }])
    expect(readFileSync(repaired.repaired[0].aside)).toEqual(damaged)
    expect(await other.json('audit', 'verify')).toMatchObject({ whole: true, lines: 3 })
    expect((await other.run('audit', 'repair')).stdout).toContain('needs no repair')
  })

  it('is not to be had under a running daemon', async () => {
    const refused = await g.run('audit', 'repair', '--accept-forgetting')
    expect(refused.status).toBe(1)
    expect(refused.stderr).toContain('another daemon runs')
  })

  it('names the first bad line where an older file is damaged, and a newer one too', async () => {
    const other = await ended()
    await other.end(await other.start())
    const [older, newer, ...more] = files(other)
    expect(more).toEqual([])
    expect((await other.json('audit', 'verify')).files).toBe(2)
    for (const file of [newer!, older!]) {
      const written = readFileSync(file, 'utf8').split('\n')
      const change = written[1]!.replace(/"at":\d/, '"at":9')
      expect(change).not.toBe(written[1])
      writeFileSync(file, written.with(1, change).join('\n'))
      const { status, stderr } = await other.run('audit', 'verify')
      expect(status).toBe(1)
      expect(stderr).toContain(`${file}: line 2 does not carry the hash`)
    }
  })
})
