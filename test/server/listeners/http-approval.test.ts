import { afterEach, describe, expect, it } from 'vitest'
import { approvalRoute } from '../../../server/src/listeners/http/approval.ts'
import { HandClock, type Kit, kit, NOON, service, user } from '../kit.ts'
import { type Door, fetchFrom, makeDoor, type Sending } from './http.ts'

/* The page behind the link that asks somebody, over real sockets; the browser's turn is end to end. */

const approval = { channel: 'phone', timeoutMs: 120_000 }
const services = [service('vault', { approval, lifetime: 600 })]
const HTML = { accept: 'text/html' }
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

let door: Door | undefined
afterEach(async () => {
  await door?.listener.stop()
  door = undefined
})

/** Alice waits; what her approver's browser gets of the link. */
async function asked() {
  const k: Kit = kit({
    services,
    users: [user('alice', 1, { services: ['vault'] })],
    clock: new HandClock(),
  })
  const made = await makeDoor({
    routes: [approvalRoute({ approvals: k.gatekeeper.approvals, clock: k.clock })],
  })
  door = made
  await made.listener.start(k.gatekeeper.judge)
  const factor = k.code()
  const knock = () => k.send(k.packet({ services: ['vault'], factor, knockId: '1'.repeat(16) }))
  await knock()
  const link = `/approve/${k.questions[0]!.token}`
  const get = async (path = link, sending: Sending = {}) => {
    const { status, headers, body } = await fetchFrom(made.port, path, {
      headers: HTML,
      ...sending,
    })
    return { status, headers, text: body.toString() }
  }
  const press = (answer: string, path = link, headers: Record<string, string> = HTML) =>
    get(path, { method: 'POST', headers: { ...FORM, ...headers }, body: `answer=${answer}` })
  return { k, knock, link, get, press }
}

describe('the page that asks', () => {
  it('says who asks for what, from where and since when; and looking at it changes nothing', async () => {
    const { k, knock, get, link } = await asked()
    for (const method of ['GET', 'GET', 'HEAD']) {
      expect(await get(link, { method })).toMatchObject({ status: 200 })
    }
    const { text } = await get()
    for (const fact of ['Let alice in?', 'alice/laptop', 'open vault', '203.0.113.7', '2m']) {
      expect(text).toContain(fact)
    }
    expect(text).toContain(new Date(NOON).toISOString().slice(0, 19).replace('T', ' '))
    expect(await knock()).toMatchObject({ status: 'pending' })
    expect(k.state.waiting.size).toBe(1)
  })

  it('has no script, may load nothing, be framed by nobody, and tells its address to nobody', async () => {
    const { get, press } = await asked()
    for (const { headers, text } of [await get(), await press('no'), await get()]) {
      expect(text).not.toMatch(/<script|\son\w+=|javascript:/i)
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
      })
      expect(headers['content-security-policy']).toMatch(
        /default-src 'none'.*form-action 'self'.*frame-ancestors 'none'/,
      )
    }
  })

  it('opens at a yes, once', async () => {
    const { k, knock, press } = await asked()
    expect(await press('yes')).toMatchObject({
      status: 200,
      text: expect.stringContaining('vault is open for 203.0.113.7, for 10m.'),
    })
    expect(await knock()).toMatchObject({ status: 'opened', lifetime: 600 })
    for (const second of ['yes', 'no']) expect(await press(second)).toMatchObject({ status: 404 })
    expect(await k.open()).toEqual(['vault 203.0.113.7'])
  })

  it('opens nothing at a no', async () => {
    const { k, knock, press } = await asked()
    expect(await press('no')).toMatchObject({
      status: 200,
      text: expect.stringContaining('Nothing was opened.'),
    })
    expect(await knock()).toMatchObject({ status: 'refused', reason: 'denied' })
    expect(await press('yes')).toMatchObject({ status: 404 })
    expect(await k.open()).toEqual([])
  })

  it.each(['', 'maybe', 'YES'])('takes %j for no answer', async answer => {
    const { k, knock, press } = await asked()
    const { status } = await press(answer)
    expect(status).toBe(400)
    expect(await knock()).toMatchObject({ status: 'pending' })
    expect(await k.open()).toEqual([])
  })

  it('is the same for what is used, expired, altered, guessed, and never was', async () => {
    const { k, get, press, link } = await asked()
    const others = [
      `${link}A`,
      link.slice(0, -1),
      `${link.slice(0, -2)}zz`,
      '/approve/',
      `${link}/`,
    ]
    const guessed = `/approve/${'A'.repeat(43)}`
    const pages = new Set<string>()
    for (const path of [...others, guessed]) {
      for (const { status, text } of [await get(path), await press('yes', path)]) {
        expect(status).toBe(404)
        pages.add(text)
      }
    }
    k.clock.pass(120_000)
    for (const { status, text } of [await get(), await press('yes')]) {
      expect(status).toBe(404)
      pages.add(text)
    }
    expect(pages.size).toBe(1)
    expect([...pages][0]).toContain('Nothing to answer here')
    expect(await k.open()).toEqual([])
  })

  it('answers a line to what wants no page, as a push service does that presses the button', async () => {
    const { press } = await asked()
    const { status, headers, text } = await press('yes', undefined, {})
    expect({ status, text }).toEqual({
      status: 200,
      text: 'Approved: vault is open for 203.0.113.7, for 10m.\n',
    })
    expect(headers['access-control-allow-origin']).toBe('*')
  })

  it('says so when the yes came to nothing', async () => {
    const { k, press } = await asked()
    k.setDirectory([user('alice', 1, { services: ['vault'], locked: true })])
    expect(await press('yes', undefined, {})).toMatchObject({
      status: 409,
      text: 'Approved, but not open: Whoever asked is locked or gone by now.\n',
    })
    expect(await k.open()).toEqual([])
  })
})
