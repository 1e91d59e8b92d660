import { afterEach, describe, expect, it } from 'vitest'
import { grantView } from '../../../server/src/administration/views.ts'
import { Rows } from '../../../server/src/audit/rows.ts'
import { grantRow } from '../../../server/src/commands/daemon.ts'
import type { RadiusClient } from '../../../server/src/core/radius.ts'
import { ATTRIBUTE, CODE } from '../../../server/src/listeners/radius/packet.ts'
import { HandClock, kit, until } from '../kit.ts'
import { FakeRadiusServer, type Heard } from './fake-radius-server.ts'
import { attribute } from './nas.ts'
import { makeRadiusDoor, NOWHERE, UPSTREAM_SECRET } from './radius.ts'

const WRONG = 'That is wrong, or too many wrong codes came before it.'
/** Quick, since silence is waited for here. */
const TIMING = { retransmitMs: 40, tries: 2, deadMs: 30_000 }

describe('the RADIUS listener as a proxy', () => {
  const undo: (() => unknown)[] = []
  afterEach(async () => {
    for (const step of undo.splice(0)) await step()
  })

  async function started(servers = 1, changes: Partial<RadiusClient> = {}) {
    const upstreams = await Promise.all(
      Array.from({ length: servers }, () => FakeRadiusServer.start(UPSTREAM_SECRET)),
    )
    for (const one of upstreams) undo.push(() => one.close())
    const k = kit({ host: { listensOnLoopback: true } })
    const clock = new HandClock()
    const upstream = { servers: upstreams.map(({ endpoint }) => endpoint), secret: NOWHERE }
    const pauses: number[] = []
    const pause = async (ms: number) => void pauses.push(ms)
    const door = await makeRadiusDoor(
      { mode: 'password+code', upstream, ...changes },
      { clock, pause, upstreamTiming: TIMING },
    )
    await door.listener.start(k.gatekeeper.judge)
    undo.push(() => door.listener.stop(), door.close)
    const [first] = upstreams
    return { ...door, k, clock, pauses, upstreams, first: first!, code: k.code().code }
  }

  it('asks for the password without the code, and passes on what an Accept gives', async () => {
    const { nas, first, code } = await started()
    const vlan = attribute(81, '42')
    const keys = attribute(ATTRIBUTE.vendorSpecific, Uint8Array.of(0, 0, 1, 55, 16, 4, 1, 2))
    const mine = attribute(ATTRIBUTE.proxyState, 'of the proxy')
    const tunnel = attribute(ATTRIBUTE.tunnelPassword, Uint8Array.of(0, 128, 1, 2))
    first.knows('p4ss word', [vlan, keys, mine, tunnel])
    const station = attribute(ATTRIBUTE.callingStationId, '203.0.113.7')
    const states = ['b', 'a'].map(text => attribute(ATTRIBUTE.proxyState, text))
    const answer = await nas.ask(nas.pap('alice', `p4ss word${code}`, [station, ...states]))
    expect(answer.says).toBe('accept')
    expect(answer.attributes.slice(1)).toEqual([
      ...states,
      vlan,
      attribute(ATTRIBUTE.replyMessage, 'You may come in.'),
    ])
    const [{ packet, signature } = expect.fail()] = first.heard
    expect(signature).toBe('valid')
    expect(packet.attributes[0]!.type).toBe(ATTRIBUTE.messageAuthenticator)
    expect(packet.attributes.slice(2)).toEqual([
      attribute(ATTRIBUTE.userName, 'alice'),
      station,
      ...states,
    ])
  })

  it('tells a wrong password and a wrong code alike, and burns no code for the former', async () => {
    const { nas, first, k, code, counts } = await started()
    first.knows('right')
    const wrongPassword = await nas.ask(nas.pap('alice', `wrong${code}`))
    expect(k.lines).toEqual([])
    const wrongCode = await nas.ask(nas.pap('alice', 'right000000'))
    for (const { says, words, attributes } of [wrongPassword, wrongCode]) {
      expect({ says, words, count: attributes.length }).toEqual({
        ...{ says: 'reject', words: WRONG, count: 2 },
      })
    }
    expect(await nas.ask(nas.pap('alice', `right${code}`))).toMatchObject({ says: 'accept' })
    expect(Object.fromEntries(counts)).toEqual({ rejected: 2, accepted: 1 })
  })

  it('finds the code of a token and of paper behind a password, whatever bytes that has', async () => {
    const { nas, first } = await started()
    const otp = 'cccjgjgkhcbbirdrfdnlnghhfgrtnnlgedjlftrbdeut'
    const paper = 'abcd-efgh-ijkl-mnop-qrst-uvwx-yz23'
    for (const end of [otp, paper, '123456']) {
      first.knows('pässwörd1')
      await nas.ask(nas.pap('alice', `pässwörd1${end}`))
      expect(first.heard.at(-1)!.password).toBe('pässwörd1')
    }
    const asked = first.heard.length
    expect(await nas.ask(nas.pap('alice', 'without a code'))).toMatchObject({
      says: 'reject',
      words: 'Type the password with the code behind it.',
    })
    expect(await nas.ask(nas.chap('alice', 'right123456'))).toMatchObject({
      says: 'reject',
      words: 'This door takes a plain password (PAP) only.',
    })
    expect(first.heard).toHaveLength(asked)
  })

  it('asks again while there is no answer, and judges once', async () => {
    const { nas, first, k, code } = await started()
    first.does = heard => {
      if (first.heard.length === 2) heard.answer(first.signed(heard, CODE.accessAccept))
    }
    const asking = nas.pap('alice', `right${code}`)
    nas.send(asking)
    nas.send(asking)
    expect(await nas.answer(asking)).toMatchObject({ says: 'accept' })
    const [one, two] = first.heard.map(({ packet }) => packet)
    expect(two).toEqual(one)
    expect(k.lines).toHaveLength(1)
  })

  it('turns to the next server, and leaves a silent one alone for a while', async () => {
    const { nas, upstreams, notes, clock, k } = await started(2)
    const [silent, second] = upstreams as [FakeRadiusServer, FakeRadiusServer]
    second.knows('right')
    const login = () => nas.ask(nas.pap('alice', 'right000000'))
    await login()
    expect([silent.heard.length, second.heard.length]).toEqual([TIMING.tries, 1])
    await login()
    expect([silent.heard.length, second.heard.length]).toEqual([TIMING.tries, 2])
    clock.pass(TIMING.deadMs)
    silent.knows('right')
    await login()
    expect([silent.heard.length, second.heard.length]).toEqual([TIMING.tries + 1, 2])
    expect(notes.filter(({ note }) => note.startsWith('upstream'))).toEqual([
      { note: 'upstream-silent', server: silent.endpoint },
      { note: 'upstream-back', server: silent.endpoint },
    ])
    expect(k.lines).toHaveLength(3)
  })

  it('tells a wrong password and a wrong code alike, however long the servers took', async () => {
    const { nas, first, clock, pauses } = await started()
    const slow = (ms: number) => {
      first.knows('right')
      const { does } = first
      let left = ms
      first.does = heard => {
        clock.pass(left)
        left = 0 // On a busy machine it is asked again meanwhile.
        does!(heard)
      }
    }
    slow(3_000)
    await nas.ask(nas.pap('alice', 'right000000'))
    slow(4_000)
    await nas.ask(nas.pap('alice', 'wrong000000'))
    expect(pauses).toEqual([1_500, 500])
  })

  it('turns to the next at once if nobody listens there', async () => {
    const { nas, upstreams, code } = await started(2)
    upstreams[1]!.knows('right')
    upstreams[0]!.close()
    undo.splice(0, 1)
    expect(await nas.ask(nas.pap('alice', `right${code}`))).toMatchObject({ says: 'accept' })
  })

  it('is silent if no server says anything, so that the client turns to another', async () => {
    const { nas, k, counts, code } = await started()
    const asking = nas.pap('alice', `right${code}`)
    nas.send(asking)
    await until(
      () => counts.get('unanswered'),
      unanswered => unanswered === 1,
    )
    expect(nas.rest()).toEqual([])
    expect(k.lines).toEqual([])
    nas.send(asking) // It is judged anew, since there was no answer.
    await until(
      () => counts.get('unanswered'),
      unanswered => unanswered === 2,
    )
  })

  type Forge = (server: FakeRadiusServer, heard: Heard, stranger: FakeRadiusServer) => Uint8Array

  it.each<[string, Forge]>([
    ['without Message-Authenticator', (server, heard) => server.unsigned(heard, CODE.accessAccept)],
    [
      'without it, and with a Proxy-State that hides a collision',
      (server, heard) =>
        server.unsigned(heard, CODE.accessAccept, [attribute(ATTRIBUTE.proxyState, 'collision')]),
    ],
    ['under another secret', (_, heard, stranger) => stranger.signed(heard, CODE.accessAccept)],
    [
      'with its code altered',
      (server, heard) => {
        const reject = Uint8Array.from(server.signed(heard, CODE.accessReject))
        reject[0] = CODE.accessAccept
        return reject
      },
    ],
    [
      'to another request',
      (server, { packet, ...heard }) =>
        server.signed(
          { ...heard, packet: { ...packet, authenticator: new Uint8Array(16) } },
          CODE.accessAccept,
        ),
    ],
    [
      'with another identifier',
      (server, { packet, ...heard }) =>
        server.signed(
          { ...heard, packet: { ...packet, identifier: packet.identifier ^ 1 } },
          CODE.accessAccept,
        ),
    ],
    [
      'with a Response Authenticator of somebody else’s, though it is signed',
      (server, heard) => {
        const accept = Uint8Array.from(server.signed(heard, CODE.accessAccept))
        accept[4]! ^= 1
        return accept
      },
    ],
    ['of another kind', (server, heard) => server.signed(heard, 5)],
    ['that is cut', (server, heard) => server.signed(heard, CODE.accessAccept).subarray(0, 30)],
  ])('takes no answer %s', async (_, forge) => {
    const { nas, first, k, code, counts } = await started()
    const stranger = await FakeRadiusServer.start('another secret')
    undo.push(() => stranger.close())
    first.does = heard => heard.answer(forge(first, heard, stranger))
    nas.send(nas.pap('alice', `right${code}`))
    await until(
      () => counts.get('unanswered'),
      unanswered => unanswered === 1,
    )
    expect(nas.rest()).toEqual([])
    expect(k.lines).toEqual([])
  })

  it('says once that a server does not sign, and still hears one that then does', async () => {
    const { nas, first, notes, code } = await started()
    first.does = heard => {
      heard.answer(first.unsigned(heard, CODE.accessAccept))
      heard.answer(first.unsigned(heard, CODE.accessAccept))
      heard.answer(first.signed(heard, CODE.accessReject))
    }
    expect(await nas.ask(nas.pap('alice', `right${code}`))).toMatchObject({ says: 'reject' })
    expect(notes.filter(({ note }) => note === 'upstream-unsigned')).toHaveLength(1)
  })

  it('takes a challenge for a no', async () => {
    const { nas, first, code } = await started()
    first.does = heard => heard.answer(first.signed(heard, CODE.accessChallenge))
    expect(await nas.ask(nas.pap('alice', `right${code}`))).toMatchObject({ says: 'reject' })
  })

  it('has somebody asked for a yes once a password is right, and looks at no code', async () => {
    const approval = { channel: 'phone', timeoutMs: 60_000 }
    const { nas, first, k } = await started(1, { mode: 'password', approval })
    first.knows('right', [attribute(81, '42')])
    expect(await nas.ask(nas.pap('alice', 'wrong'))).toMatchObject({ says: 'reject', words: WRONG })
    expect(await nas.ask(nas.pap('nobody', 'right'))).toMatchObject({
      ...{ says: 'reject', words: WRONG },
    })
    expect(k.questions).toEqual([])
    const asking = nas.pap('alice', 'right')
    nas.send(asking)
    const [{ token } = expect.fail()] = await until(
      () => k.questions,
      questions => questions.length === 1,
    )
    await k.gatekeeper.approvals.decide(token, true)
    const answer = await nas.answer(asking)
    expect(answer.says).toBe('accept')
    expect(answer.attributes).toContainEqual(attribute(81, '42'))
    const trail = new Rows()
    for (const { at, event } of k.lines) trail.add(at, event)
    const by = 'alice by phone'
    expect(trail.list()).toMatchObject([
      { device: '@radius', result: 'verified', factor: 'none', asked: by, by },
    ])
  })

  it('opens after such a yes, and the grant is seen to come without a code', async () => {
    const approval = { channel: 'phone', timeoutMs: 60_000 }
    const changes = { mode: 'password', approval, services: ['ssh'] } as const
    const { nas, first, k } = await started(1, changes)
    first.knows('right')
    const asking = nas.pap('alice', 'right', [attribute(ATTRIBUTE.callingStationId, '192.0.2.7')])
    nas.send(asking)
    const [{ token } = expect.fail()] = await until(
      () => k.questions,
      questions => questions.length === 1,
    )
    await k.gatekeeper.approvals.decide(token, true)
    expect((await nas.answer(asking)).says).toBe('accept')
    const views = k.state.grants.list().map(grant => grantView(grant, 'open'))
    expect(views).toMatchObject([{ device: '@radius', services: ['ssh'], factor: 'none' }])
    expect(grantRow(views[0]!).at(-1)).toBe('no code')
  })

  it('asks for the password before it looks for a grant, by CHAP too', async () => {
    const { nas, first, grants } = await started(1, { mode: 'grant' })
    grants.there = true
    const station = attribute(ATTRIBUTE.callingStationId, '203.0.113.7')
    first.knows('right')
    expect(await nas.ask(nas.pap('alice', 'wrong', [station]))).toMatchObject({ says: 'reject' })
    expect(grants.asked).toEqual([])
    expect(await nas.ask(nas.pap('alice', 'right', [station]))).toMatchObject({ says: 'accept' })
    first.does = heard => heard.answer(first.signed(heard, CODE.accessAccept))
    const chap = nas.chap('alice', 'right')
    const withStation = nas.resigned(chap, [station])
    expect(await nas.ask(withStation)).toMatchObject({ says: 'accept' })
    const types = first.heard.at(-1)!.packet.attributes
    expect(types).toContainEqual(attribute(ATTRIBUTE.chapChallenge, chap.packet.authenticator))
  })
})
