import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NAME_MAX, parseNetwork, REASONS, SERVICES_MAX } from '@oneknock/shared'
import { afterEach, describe, expect, it } from 'vitest'
import type { Outcome } from '../../../server/src/core/knocks.ts'
import { findClaim, readNamedCode } from '../../../server/src/listeners/http/code.ts'
import { html } from '../../../server/src/listeners/http/page.ts'
import { inOneLine, tell } from '../../../server/src/listeners/http/words.ts'
import { barrier, type Kit, type KitOptions, kit, NOON, network, service, user } from '../kit.ts'
import { type Door, type DoorOptions, fetchFrom, makeDoor, postForm, typeBlind } from './http.ts'

const folder = mkdtempSync(join(tmpdir(), 'oneknock-http-'))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

let started: Door | undefined
afterEach(() => started?.listener.stop())

async function door(options: DoorOptions = {}, kitOptions: KitOptions = {}): Promise<Kit & Door> {
  const k = kit({ host: { listensOnLoopback: true }, ...kitOptions })
  started = await makeDoor(options)
  await started.listener.start(k.gatekeeper.judge)
  return { ...k, ...started }
}

/** A YubiKey, and what it types. */
const TOKEN = {
  label: 'blue',
  publicId: 'ccccccbcgujh',
  key: Uint8Array.from(Buffer.from('ecde18dbe76fbd0c33330f1c354871db', 'hex')),
  privateId: Uint8Array.from(Buffer.from('8792ebfe26cc', 'hex')),
}
const touch = (use: number) => {
  const [key, id] = [TOKEN.key, TOKEN.privateId].map(bytes => Buffer.from(bytes).toString('hex'))
  const made = ['0001', 'c6b1', '19', use.toString(16).padStart(2, '0')]
  return (
    TOKEN.publicId +
    execFileSync('ykgenerate', [key!, id!, ...made])
      .toString()
      .trim()
  )
}
const withToken = { users: [user('alice', 1, { yubikeys: [TOKEN] })] }
const ownerOf = (id: string) => (id === TOKEN.publicId ? 'alice' : undefined)

const HTML = { headers: { accept: 'text/html,*/*' } }

describe('the page', () => {
  it('is one small document without a script, and is kept nowhere', async () => {
    const { port } = await door()
    const { status, headers, body } = await fetchFrom(port, '/', HTML)
    expect(status).toBe(200)
    expect(body.length).toBeLessThan(4096)
    expect(body.toString()).not.toMatch(/<script|javascript:| on\w+=|https?:/)
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      connection: 'close',
    })
    const policy = String(headers['content-security-policy'])
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toContain('unsafe')
    expect(Object.keys(headers)).not.toContain('server')
    expect(Object.keys(headers)).not.toContain('x-powered-by')
  })

  it('says what opened, for which address, until when', async () => {
    const { port, code } = await door()
    const fields = { user: 'alice', code: code().code, service: 'wiki' }
    const answer = (await postForm(port, fields, HTML)).body.toString()
    expect(answer).toContain('<dd>wiki</dd>')
    expect(answer).toContain('<dd>127.0.0.1</dd>')
    expect(answer).toMatch(/UTC \(10m\)/)
    expect(answer).not.toContain('<form')
  })

  it('says one line to programs, and the status to those who look at it', async () => {
    const { port, code } = await door()
    const answer = await fetchFrom(port, `/alice:${code().code}/ssh`)
    expect(answer.status).toBe(200)
    expect(answer.body.toString()).toMatch(/^open: ssh for 127\.0\.0\.1 until .* UTC \(30s\)\n$/)
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8')
  })

  it('takes a touch alone, whichever field it went to, and knows whose it is', async () => {
    const { port, lines } = await door({ ownerOf }, withToken)
    expect((await postForm(port, { code: touch(1) })).status).toBe(200)
    expect((await postForm(port, { user: touch(2), code: '' })).status).toBe(200)
    expect((await fetchFrom(port, `/${touch(3)}`)).status).toBe(200)
    expect((await fetchFrom(port, `/${touch(4).toUpperCase()}`)).status).toBe(200)
    expect(await typeBlind(port, `xyz ${touch(5)}\n`)).toMatch(/^open: /)
    expect(await typeBlind(port, touch(6), true)).toMatch(/^open: /)
    expect((await postForm(port, { code: touch(3) })).status).toBe(403)
    expect(
      lines.filter(({ event }) => event.event === 'knock' && event.user === 'alice'),
    ).toHaveLength(7)
  })

  it('burns no code for a browser that looks ahead, nor for whoever asks for the headers', async () => {
    const { port, code, counters } = await door()
    const path = `/alice:${code().code}`
    expect((await fetchFrom(port, path, { headers: { 'sec-purpose': 'prefetch' } })).status).toBe(
      404,
    )
    expect((await fetchFrom(port, path, { method: 'HEAD' })).status).toBe(404)
    expect((await fetchFrom(port, path, { method: 'PUT' })).status).toBe(404)
    expect(counters.read().opened).toBe(0)
    expect((await fetchFrom(port, path)).status).toBe(200)
  })

  it('takes no code that a page of another site has a browser send', async () => {
    const { port, code, counters } = await door()
    const right = { user: 'alice', code: code().code }
    const elsewhere = { 'sec-fetch-site': 'cross-site' }
    const link = await fetchFrom(port, `/alice:${right.code}`, { headers: elsewhere })
    const form = await postForm(port, right, { headers: elsewhere })
    for (const { status, body } of [link, form]) {
      expect({ status, text: body.toString() }).toEqual({
        status: 403,
        text: 'not open: A page of another site has asked for that. Type the code here yourself.\n',
      })
    }
    expect(counters.read()).toMatchObject({ opened: 0, refused: 0 })
    // A portal of the same house, or nobody but the person.
    expect(
      (await postForm(port, right, { headers: { 'sec-fetch-site': 'same-site' } })).status,
    ).toBe(200)
  })

  it('keeps a name for the next try, and nothing that is none; what it shows is text', async () => {
    const { port } = await door()
    const answered = async (user: string) =>
      (await postForm(port, { user, code: '123456' }, HTML)).body.toString()
    expect(await answered('mallory')).toContain('<input name="user" value="mallory"')
    const answer = await answered('"><script>alert(1)</script>')
    expect(answer).toContain('<input name="user" value=""')
    expect(answer).not.toContain('alert(1)')
    expect(html`<p>${'<b>&"\''}</p>`.html).toBe('<p>&lt;b&gt;&amp;&quot;&#39;</p>')
  })
})

describe('what is wrong', () => {
  it('is told in the same words whether there is such a user, and after the same time', async () => {
    const waits: number[] = []
    const users = [user('alice', 1), user('locked', 50, { locked: true })]
    const pause = async (ms: number) => void waits.push(ms)
    const clock = { now: () => NOON, monotonic: () => 0 }
    const { port, code, gatekeeper: _ } = await door({ pause, clock }, { users })
    const answers = []
    for (const name of ['alice', 'nobody', 'locked']) {
      answers.push(await postForm(port, { user: name, code: '000000' }, HTML))
    }
    for (let i = 0; i < 4; i++) await postForm(port, { user: 'alice', code: '000000' })
    answers.push(await postForm(port, { user: 'alice', code: code().code }, HTML))
    const [first, ...others] = answers.map(({ status, body, headers }) => ({
      status,
      headers: Object.keys(headers),
      text: body.toString().replace(/value="[a-z]*"/, ''),
    }))
    for (const other of others) expect(other).toEqual(first)
    expect(first!.status).toBe(403)
    expect(new Set(waits).size).toBe(1)
  })

  it('is 404 and empty for whatever is not there, and for packets that are not answered', async () => {
    const { port } = await door()
    const type = { 'content-type': 'application/octet-stream' }
    const answers = [
      await fetchFrom(port, '/nothing'),
      await fetchFrom(port, '/favicon.ico'),
      await fetchFrom(port, '/%'),
      await fetchFrom(port, '/knock'),
      await fetchFrom(port, '/knock', { method: 'POST', body: Buffer.alloc(256), headers: type }),
      await fetchFrom(port, '/knock', { method: 'POST', body: 'x' }),
      await fetchFrom(port, '/knock', { method: 'POST', body: Buffer.alloc(256) }),
    ]
    for (const { status, body, headers } of answers) {
      expect(status).toBe(404)
      expect(body).toHaveLength(0)
      expect({ ...headers, date: '' }).toEqual({ ...answers[0]!.headers, date: '' })
    }
  })

  it('is a refusal for every reason, and no reason is without words', () => {
    for (const reason of REASONS) {
      const outcome: Outcome = {
        ...{ status: 'refused', reason, network: network('127.0.0.1'), lifetime: 0 },
        ...{ grant: '', detail: '' },
      }
      expect(inOneLine(tell(outcome, NOON))).toMatch(/^not open: \S.*\.$/)
    }
  })
})

describe('services', () => {
  it('are those of the door alone, where it has a list', async () => {
    const { port, code, clock, open } = await door({ settings: { services: ['wiki'] } })
    expect((await postForm(port, { user: 'alice', code: code().code })).status).toBe(200)
    expect(await open()).toEqual(['wiki 127.0.0.1'])
    clock.pass(30_000)
    const refused = await postForm(port, { user: 'alice', code: code().code, service: 'ssh' })
    expect(refused.status).toBe(403)
    expect(refused.body.toString()).toBe('not open: You may not open ssh here.\n')
    expect(await open()).toEqual(['wiki 127.0.0.1'])
  })

  it('open nothing when the door’s are none of the user’s', async () => {
    const services = [service('ssh'), service('other')]
    const users = [user('alice', 1, { services: ['ssh'] })]
    const { port, code, open } = await door(
      { settings: { services: ['other'] } },
      { services, users },
    )
    expect((await postForm(port, { user: 'alice', code: code().code })).status).toBe(403)
    expect(await open()).toEqual([])
  })
})

describe('behind a proxy', () => {
  const settings = { trustedProxies: [parseNetwork('127.0.0.0/8')!] }

  it('the forwarded address is opened, and the proxy’s is not', async () => {
    const { port, code, open } = await door({ settings })
    const headers = { 'x-forwarded-for': '1.2.3.4, 203.0.113.9' }
    expect((await fetchFrom(port, `/alice:${code().code}/ssh`, { headers })).status).toBe(200)
    expect(await open()).toEqual(['ssh 203.0.113.9'])
  })

  it('nothing is tried if the proxy does not say for whom, nor blind', async () => {
    const { port, code, counters } = await door({ settings })
    expect((await fetchFrom(port, `/alice:${code().code}`)).status).toBe(400)
    expect(await typeBlind(port, `alice:${code().code}\n`)).toMatch(/proxy/)
    expect(counters.read()).toMatchObject({ opened: 0, refused: 0 })
  })

  it('each is a source of its own, and the proxy none', async () => {
    const { port, counters } = await door({ settings })
    for (let i = 0; i < 30; i++) {
      const headers = { 'x-forwarded-for': `203.0.113.${i}` }
      await fetchFrom(port, '/nobody:000000', { headers })
    }
    expect(counters.read().refused).toBe(30)
  })

  it('of this host that nobody named, nothing is tried', async () => {
    const { port, code, counters } = await door()
    const headers = { 'x-forwarded-for': '203.0.113.9' }
    const answer = await fetchFrom(port, `/alice:${code().code}`, { headers })
    expect(answer.status).toBe(400)
    expect(answer.body.toString()).toContain('trusted_proxies')
    expect(counters.read()).toMatchObject({ opened: 0, refused: 0 })
  })
})

describe('what somebody must say yes to', () => {
  const outcome = (status: Outcome['status'], reason: Outcome['reason'] = 'none'): Outcome => ({
    ...{ status, reason, network: network('127.0.0.1'), lifetime: 60 },
    ...{ grant: '00000000000000aa', detail: 'wiki' },
  })

  async function pending() {
    let settle: (outcome: Outcome) => void = () => {}
    const settled = new Promise<Outcome>(resolve => {
      settle = resolve
    })
    const asked = barrier()
    const made = await makeDoor()
    started = made
    await made.listener.start(() => {
      asked.open()
      return Promise.resolve({ kind: 'answer', outcome: outcome('pending'), settled })
    })
    return { ...made, settle, asked: asked.wait }
  }

  it('is a page that looks again by itself, and says what it came to', async () => {
    const { port, settle } = await pending()
    const first = await postForm(port, { user: 'alice', code: '123456' }, HTML)
    expect(first.status).toBe(202)
    const [, path = ''] =
      /^3; url=(\/waiting\/[\w-]{22})$/.exec(String(first.headers.refresh)) ?? []
    expect((await fetchFrom(port, path, HTML)).headers.refresh).toBe(first.headers.refresh)
    settle(outcome('opened'))
    const last = await fetchFrom(port, path, HTML)
    expect(last.status).toBe(200)
    expect(last.headers.refresh).toBeUndefined()
    expect(last.body.toString()).toContain('<dd>wiki</dd>')
    expect((await fetchFrom(port, `${path.slice(0, -1)}~`, HTML)).status).toBe(404)
  })

  it.each([
    [
      'curl',
      (port: number) => fetchFrom(port, '/alice:123456').then(({ body }) => body.toString()),
    ],
    ['nc', (port: number) => typeBlind(port, 'alice:123456\n')],
  ])('%s waits for it', async (_, tryCode) => {
    const { port, settle, asked } = await pending()
    const said = tryCode(port)
    await asked
    settle(outcome('refused', 'denied'))
    expect(await said).toBe('not open: Somebody was asked, and said no.\n')
  })
})

describe('other routes', () => {
  it('come before the door’s own, and an error in one is nobody’s but the log’s', async () => {
    const { port, notes } = await door({
      routes: [
        ({ path }) => (path === '/approve/abc' ? { status: 200, body: 'asked' } : undefined),
        ({ path }) => {
          if (path === '/broken') throw new Error('a fault of ours')
          return undefined
        },
      ],
    })
    expect((await fetchFrom(port, '/approve/abc')).body.toString()).toBe('asked')
    const broken = await fetchFrom(port, '/broken')
    expect(broken.status).toBe(500)
    expect(broken.body).toHaveLength(0)
    expect(notes).toContainEqual({ note: 'http-failed', message: 'a fault of ours' })
  })
})

describe('a code in a text', () => {
  const OTP = 'ccccccbcgujhingjrdejhgfnuetrgigvejhhgbkugded'

  it.each([
    ['alone', `${OTP}\n`, '', []],
    ['behind what a keyboard put there', `\x1b[A hello ${OTP}`, '', []],
    ['right behind letters of its own alphabet', `dudel${OTP}`, '', []],
    ['behind a run that is too short', `${OTP.slice(1)} ${OTP} wiki`, '', ['wiki']],
    ['in capitals', OTP.toUpperCase(), '', []],
    ['with services behind it', `${OTP} wiki, ssh\nmore`, '', ['wiki', 'ssh']],
    ['with a name', 'alice:123456', 'alice', []],
    ['with a name, and services', 'alice:123456 wiki', 'alice', ['wiki']],
    ['in an HTTP of somebody’s own', 'get /alice:123456 http/1.1', 'alice', ['http', '1']],
  ])('is found %s', (_, text, name, services) => {
    const claim = findClaim(text)
    const code = name === '' ? OTP : '123456'
    expect(claim).toMatchObject({ user: name, factor: { code } })
    if (!text.includes('http')) expect(claim).toMatchObject({ services })
  })

  it.each([
    '',
    'hello',
    'alice:12345',
    'alice:1234567',
    'alice 123456',
    OTP.slice(1),
    'Al!ce:123456x',
  ])('is not found in %j', text => {
    expect(findClaim(text)).toBeUndefined()
  })

  it('names no more services than a packet could: a refusal has them all on record', () => {
    const names = (bytes: number) => 'a'.repeat(NAME_MAX).concat(' ').repeat(4).slice(0, bytes)
    expect(findClaim(`alice:123456 ${names(SERVICES_MAX)}`)?.services).toHaveLength(4)
    expect(findClaim(`alice:123456 ${names(SERVICES_MAX + 1)}`)).toBeUndefined()
    expect(readNamedCode('alice:123456', names(SERVICES_MAX + 1).split(' '))).toBeUndefined()
  })

  it('is a recovery code with a name, in any case', () => {
    const code = 'abcd-efgh-ijkl-mnop-qrst-uvwx-yz23'
    const claim = { user: 'alice', factor: { kind: 'recovery', code } }
    expect(findClaim(`alice:${code.toUpperCase()}\n`)).toMatchObject(claim)
    expect(readNamedCode(`alice:${code}`, [])).toMatchObject(claim)
  })
})

it('a stopped door hangs up on everybody', async () => {
  const { port, listener } = await door()
  const socket = connect(port, '127.0.0.1')
  const closed = new Promise(resolve => socket.on('close', resolve))
  await new Promise(resolve => socket.once('connect', resolve))
  await listener.stop()
  await closed
})
