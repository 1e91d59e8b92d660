import { parseNetwork } from '@oneknock/shared'
import { afterEach, describe, expect, it } from 'vitest'
import type { RadiusClient } from '../../../server/src/core/radius.ts'
import { ATTRIBUTE, CODE } from '../../../server/src/listeners/radius/packet.ts'
import { HELD_MAX, Recent, WAITING_MAX } from '../../../server/src/listeners/radius/recent.ts'
import { type RadiusOptions, REJECT_AFTER_MS } from '../../../server/src/listeners/radius.ts'
import { barrier, HandClock, type KitOptions, kit, service, until, user } from '../kit.ts'
import { listenersTakeCodes } from './conformance.ts'
import { type Asking, attribute, Nas } from './nas.ts'
import { makeRadiusDoor } from './radius.ts'

const WRONG = 'That is wrong, or too many wrong codes came before it.'

describe('the RADIUS listener, by PAP', () => {
  listenersTakeCodes(async () => {
    const { listener, nas, close } = await makeRadiusDoor({ services: ['ssh', 'wiki'] })
    const from = attribute(ATTRIBUTE.callingStationId, '127.0.0.1')
    return {
      listener,
      tryCode: async (name, code) => {
        const { says } = await nas.ask(nas.pap(name, code, [from]))
        return says === 'accept' ? 'opened' : 'refused'
      },
      close,
    }
  })
})

describe('the RADIUS listener, by CHAP', () => {
  listenersTakeCodes(async () => {
    const { listener, nas, close } = await makeRadiusDoor()
    return {
      listener,
      tryCode: async (name, code) => {
        const { says } = await nas.ask(nas.chap(name, code))
        return says === 'accept' ? 'opened' : 'refused'
      },
      close,
    }
  })
})

describe('the RADIUS listener', () => {
  const undo: (() => unknown)[] = []
  afterEach(async () => {
    for (const step of undo.splice(0)) await step()
  })

  interface Options {
    readonly client?: Partial<RadiusClient>
    readonly radius?: Partial<RadiusOptions>
    readonly kit?: KitOptions
  }

  async function started(options: Options = {}) {
    const services = [service('ssh'), service('wiki'), service('vpn')]
    const k = kit({ services, host: { listensOnLoopback: true }, ...options.kit })
    const door = await makeRadiusDoor(options.client, options.radius)
    await door.listener.start(k.gatekeeper.judge)
    undo.push(() => door.listener.stop(), door.close)
    return { ...door, k, code: k.code().code }
  }

  const from = (address: string) => attribute(ATTRIBUTE.callingStationId, address)

  /** A Status-Server is answered: had anything before it been, that answer would come first. */
  async function expectSilence(nas: Nas): Promise<void> {
    expect(await nas.ask(nas.request([], { code: CODE.statusServer }))).toMatchObject({
      says: 'accept',
    })
    expect(nas.rest()).toEqual([])
  }

  it('says in words why not, and the same to whoever is wrong', async () => {
    const { nas, code } = await started()
    const words = async (asking: Asking) => (await nas.ask(asking)).words
    expect(await words(nas.pap('alice', '000000'))).toBe(WRONG)
    expect(await words(nas.pap('nobody', '000000'))).toBe(WRONG)
    expect(await words(nas.pap('alice', 'what is this?'))).toBe(WRONG)
    expect(await words(nas.chap('alice', '000000'))).toBe(WRONG)
    expect(await words(nas.pap('alice', code))).toBe('You may come in.')
    expect(await words(nas.pap('alice', code))).toContain('used already')
    for (let i = 0; i < 6; i++) expect(await words(nas.pap('alice', '000000'))).toBe(WRONG)
  })

  it('opens for the address that the client names, in any usual form', async () => {
    const forms: [string, string][] = [
      ['203.0.113.7', '203.0.113.7'],
      ['203.0.113.8[4500]', '203.0.113.8'],
      ['203.0.113.9:1194', '203.0.113.9'],
      ['2001:db8::7', '2001:db8::7'],
      ['[2001:db8::8]:4500', '2001:db8::8'],
    ]
    for (const [form, address] of forms) {
      const { nas, k, code } = await started({
        client: { services: ['vpn'] },
        kit: { users: [user('alice', 1, { services: ['vpn'] })] },
      })
      const answer = await nas.ask(nas.pap('alice', code, [from(form)]))
      expect(answer).toMatchObject({
        says: 'accept',
        words: `Open for ${address}, for 30 seconds: vpn.`,
      })
      expect(await k.open()).toEqual([`vpn ${address}`])
    }
  })

  it('takes the address that somebody is given, where it is told to', async () => {
    const client = { services: ['vpn'], addressFrom: 'framed-ip-address' } as const
    const people = { users: [user('alice', 1, { services: ['vpn'] })] }
    for (const [more, open] of [
      [attribute(ATTRIBUTE.framedIpAddress, Uint8Array.of(10, 8, 0, 2)), 'vpn 10.8.0.2'],
      [
        attribute(
          ATTRIBUTE.framedIpv6Address,
          Uint8Array.of(0x20, 1, 13, 184, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9),
        ),
        'vpn 2001:db8::9',
      ],
    ] as const) {
      const { nas, k, code } = await started({ client, kit: people })
      await nas.ask(nas.pap('alice', code, [from('203.0.113.7'), more]))
      expect(await k.open()).toEqual([open])
    }
  })

  it('opens nothing without an address, and burns no code for it', async () => {
    const { nas, k, code } = await started({ client: { services: ['ssh'] } })
    for (const more of [[], [from('00-11-22-33-44-55')], [from('')]]) {
      const { says, words } = await nas.ask(nas.pap('alice', code, more))
      expect({ says, words }).toEqual({
        says: 'reject',
        words: 'The client does not say which address you have.',
      })
    }
    expect(k.lines).toEqual([])
    expect(await nas.ask(nas.pap('alice', code, [from('203.0.113.7')]))).toMatchObject({
      says: 'accept',
    })
  })

  it('gives every Proxy-State back, unaltered and in order', async () => {
    const { nas, code } = await started()
    const states = ['third', 'first', '', 'first'].map(text =>
      attribute(ATTRIBUTE.proxyState, text),
    )
    for (const asking of [nas.pap('alice', code, states), nas.pap('alice', '000000', states)]) {
      const { attributes } = await nas.ask(asking)
      expect(attributes.filter(({ type }) => type === ATTRIBUTE.proxyState)).toEqual(states)
    }
  })

  it('judges a request once: who asks again gets the same bytes', async () => {
    const { nas, k, code, counts } = await started()
    const asking = nas.pap('alice', code)
    const first = await nas.ask(asking)
    for (let i = 0; i < 3; i++) expect(await nas.ask(asking)).toEqual(first)
    expect(k.lines).toHaveLength(1)
    expect(counts.get('again')).toBe(3)
  })

  it('answers once who asks again meanwhile', async () => {
    const { nas, k, code, counts } = await started()
    const disk = barrier()
    k.disk.gate = disk.wait
    const asking = nas.pap('alice', code)
    nas.send(asking)
    nas.send(asking)
    await until(
      () => counts.get('again'),
      again => again === 1,
    )
    disk.open()
    expect(await nas.answer(asking)).toMatchObject({ says: 'accept' })
    await expectSilence(nas)
  })

  it('takes another request with the same identifier for what it is', async () => {
    const { nas, code } = await started()
    const first = nas.pap('alice', '000000')
    expect(await nas.ask(first)).toMatchObject({ says: 'reject' })
    for (let i = 0; i < 255; i++) nas.request([])
    const second = nas.pap('alice', code)
    expect(second.packet.identifier).toBe(first.packet.identifier)
    expect(await nas.ask(second)).toMatchObject({ says: 'accept' })
  })

  it('forgets an answer after half a minute: then the code is used, and refused', async () => {
    const clock = new HandClock()
    const { nas, code } = await started({ radius: { clock } })
    const asking = nas.pap('alice', code)
    expect(await nas.ask(asking)).toMatchObject({ says: 'accept' })
    clock.pass(29_000)
    expect(await nas.ask(asking)).toMatchObject({ says: 'accept' })
    clock.pass(2_000)
    expect(await nas.ask(asking)).toMatchObject({ says: 'reject' })
  })

  it('is silent to whoever does not know the secret', async () => {
    const { nas, k, code, counts, port } = await started()
    const stranger = new Nas(port, 'another secret of some length')
    undo.push(() => stranger.close())
    stranger.send(stranger.pap('alice', code))
    stranger.send(stranger.request([], { code: CODE.statusServer }))
    nas.send(nas.pap('alice', code, [], { signed: false }))
    nas.send(nas.request([], { code: CODE.statusServer, signed: false }))
    for (const code of [2, 3, 4, 5, 11, 13, 40, 255]) nas.send(nas.request([], { code }))
    await expectSilence(nas)
    await until(
      () => counts.get('forged'),
      forged => forged === 2,
    )
    expect(stranger.rest()).toEqual([])
    expect(Object.fromEntries(counts)).toEqual({ forged: 2, unsigned: 2, unasked: 8, status: 1 })
    expect(k.lines).toEqual([])
  })

  it('is silent to what is cut, anywhere, and to what is altered', async () => {
    const { nas, k, code, counts } = await started()
    const { bytes } = nas.pap('alice', code, [
      from('203.0.113.7'),
      attribute(ATTRIBUTE.proxyState, 'x'),
    ])
    for (let length = 0; length < bytes.length; length++) {
      const cut = Uint8Array.from(bytes.subarray(0, length))
      nas.send({ bytes: cut })
      if (length < 20) continue
      const said = Uint8Array.from(cut)
      said.set([length >> 8, length & 0xff], 2)
      nas.send({ bytes: said })
    }
    // Each attribute one byte shorter than it says, and one longer.
    for (let at = 20; at < bytes.length; at += bytes[at + 1]!) {
      for (const change of [-1, 1]) {
        const spoilt = Uint8Array.from(bytes)
        spoilt[at + 1]! += change
        nas.send({ bytes: spoilt })
      }
    }
    await expectSilence(nas)
    const { malformed = 0, forged = 0, unsigned = 0 } = Object.fromEntries(counts)
    expect(malformed + forged + unsigned).toBe(2 * bytes.length - 20 + 2 * 5)
    expect(k.lines).toEqual([])
    nas.send({ bytes })
    await until(
      () => counts.get('accepted'),
      accepted => accepted === 1,
    )
  })

  it('is silent to what says in two ways who asks, by what, or from where', async () => {
    const { nas, k, code, counts } = await started()
    const { packet } = nas.chap('alice', code)
    const asking = nas.pap('alice', code, [from('203.0.113.7')])
    const twice = [
      attribute(ATTRIBUTE.userName, 'bob'),
      attribute(ATTRIBUTE.userPassword, new Uint8Array(16)),
      from('203.0.113.8'),
      attribute(ATTRIBUTE.framedIpAddress, new Uint8Array(4)),
      ...packet.attributes.filter(({ type }) => type === ATTRIBUTE.chapPassword),
    ]
    const framed = attribute(ATTRIBUTE.framedIpAddress, new Uint8Array(4).fill(1))
    for (const another of twice) nas.send(nas.resigned(asking, [framed, another]))
    await expectSilence(nas)
    expect(Object.fromEntries(counts)).toEqual({ malformed: twice.length, status: 1 })
    expect(k.lines).toEqual([])
    expect(await nas.ask(nas.resigned(asking, [framed]))).toMatchObject({ says: 'accept' })
  })

  it('is silent to those whom the configuration does not name', async () => {
    const { nas, counts, code } = await started({ client: { networks: [] } })
    nas.send(nas.pap('alice', code))
    await until(
      () => counts.get('unknown-client'),
      unknown => unknown === 1,
    )
    expect(nas.rest()).toEqual([])
  })

  it('takes old clients that cannot sign, if it is told to, but no unsigned Proxy-State', async () => {
    const { nas, code, counts } = await started({ client: { messageAuthenticator: 'optional' } })
    const unsigned = { signed: false }
    const state = attribute(ATTRIBUTE.proxyState, 'where BlastRADIUS puts its collision')
    nas.send(nas.pap('alice', code, [state], unsigned))
    nas.send(nas.request([], { code: CODE.statusServer, signed: false }))
    expect(await nas.ask(nas.pap('alice', code, [], unsigned))).toMatchObject({ says: 'accept' })
    expect(Object.fromEntries(counts)).toEqual({ unsigned: 2, accepted: 1 })
  })

  it('takes plain passwords only: no EAP, and nothing else', async () => {
    const { nas, k } = await started()
    const name = attribute(ATTRIBUTE.userName, 'alice')
    for (const more of [[], [attribute(ATTRIBUTE.eapMessage, '\x02\x01')]]) {
      const { says, words } = await nas.ask(nas.request([name, ...more]))
      expect({ says, words }).toEqual({
        says: 'reject',
        words: 'This door takes a plain password (PAP) only.',
      })
    }
    expect(k.lines).toEqual([])
  })

  it('knows a CHAP password by a challenge of its own as well', async () => {
    const { nas, code } = await started()
    const challenge = new Uint8Array(20).fill(3)
    expect(await nas.ask(nas.chap('alice', '000000', challenge))).toMatchObject({ says: 'reject' })
    expect(await nas.ask(nas.chap('alice', code, challenge))).toMatchObject({ says: 'accept' })
    // Codes of nobody: those of an empty secret.
    expect(await nas.ask(nas.chap('nobody', '000000'))).toMatchObject({ says: 'reject' })
  })

  it('lets those in who have a grant from there, and judges nobody', async () => {
    const { nas, k, grants } = await started({ client: { mode: 'grant', services: ['wiki'] } })
    const asking = () => nas.pap('alice', 'whatever', [from('203.0.113.7')])
    expect(await nas.ask(asking())).toMatchObject({
      says: 'reject',
      words: 'Nothing is open for this address: knock first.',
    })
    grants.there = true
    expect(await nas.ask(asking())).toMatchObject({ says: 'accept' })
    expect(await nas.ask(nas.pap('alice', 'whatever'))).toMatchObject({ says: 'reject' })
    const asked = ['alice', '203.0.113.7', ['wiki']]
    expect(grants.asked).toEqual([asked, asked])
    expect(k.lines).toEqual([])
  })

  const APPROVAL = { channel: 'phone', timeoutMs: 60_000 }

  it('waits for a yes, answers once, and opens then', async () => {
    const client = { services: ['ssh'], approval: APPROVAL }
    const { nas, k, code, counts } = await started({ client })
    const asking = nas.pap('alice', code, [from('203.0.113.7')])
    nas.send(asking)
    const [{ token, pending } = expect.fail()] = await until(
      () => k.questions,
      questions => questions.length === 1,
    )
    expect(pending).toMatchObject({ user: 'alice', channel: 'phone', source: '203.0.113.7' })
    nas.send(asking)
    await until(
      () => counts.get('again'),
      again => again === 1,
    )
    expect(nas.rest()).toEqual([])
    expect(await k.open()).toEqual([])
    await k.gatekeeper.approvals.decide(token, true)
    expect(await nas.answer(asking)).toMatchObject({
      says: 'accept',
      words: 'Open for 203.0.113.7, for 30 seconds: ssh.',
    })
    expect(await k.open()).toEqual(['ssh 203.0.113.7'])
    expect(k.questions).toHaveLength(1)
    await expectSilence(nas)
  })

  it('rejects after a no, and after nobody said anything', async () => {
    const { nas, k } = await started({ client: { approval: APPROVAL } })
    const asking = nas.pap('alice', k.code().code)
    nas.send(asking)
    const [{ token } = expect.fail()] = await until(
      () => k.questions,
      questions => questions.length === 1,
    )
    await k.gatekeeper.approvals.decide(token, false)
    expect(await nas.answer(asking)).toMatchObject({ says: 'reject', words: 'Somebody said no.' })

    k.clock.pass(30_000)
    const late = nas.pap('alice', k.code().code)
    nas.send(late)
    await until(
      () => k.questions,
      questions => questions.length === 2,
    )
    k.clock.pass(APPROVAL.timeoutMs)
    k.gatekeeper.endExpired()
    expect(await nas.answer(late)).toMatchObject({
      says: 'reject',
      words: 'Nobody said yes in time.',
    })
  })

  it('has nobody asked by a wrong code', async () => {
    const { nas, k } = await started({ client: { approval: APPROVAL } })
    expect(await nas.ask(nas.pap('alice', '000000'))).toMatchObject({ says: 'reject' })
    expect(await nas.ask(nas.pap('nobody', '000000'))).toMatchObject({ says: 'reject' })
    expect(k.questions).toEqual([])
  })

  it('sends all Rejects off at the same time after their requests', async () => {
    const clock = new HandClock()
    const pauses: number[] = []
    const pause = async (ms: number) => void pauses.push(ms)
    const { nas, k, code } = await started({ radius: { clock, pause } })
    const disk = barrier()
    k.disk.gate = disk.wait
    const known = nas.ask(nas.pap('alice', '000000'))
    await until(
      () => k.counters.read().refused,
      refused => refused === 1,
    )
    clock.pass(100) // What only known users cost.
    disk.open()
    await known
    await nas.ask(nas.pap('nobody', '000000'))
    await nas.ask(nas.pap('alice', code))
    expect(pauses).toEqual([REJECT_AFTER_MS - 100, REJECT_AFTER_MS])
  })

  /** A socket's buffer holds less than all of them. */
  async function sendMany(nas: Nas, number: number) {
    for (let i = 0; i < number; i++) {
      nas.send(nas.pap('nobody', '000000'))
      if (i % 32 === 0)
        await until(
          () => nas.rest(),
          rest => rest.length === 0,
        )
    }
  }

  it('bounds how many of one client are judged at a time', async () => {
    const { listener, nas, counts, close } = await makeRadiusDoor()
    await listener.start(() => new Promise(() => {}))
    undo.push(() => listener.stop(), close)
    await sendMany(nas, WAITING_MAX + 5)
    await until(
      () => counts.get('busy') ?? 0,
      busy => busy === 5,
    )
  })

  it('lets nobody wait for Rejects that are held back', async () => {
    const { nas, code } = await started({ radius: { pause: () => new Promise(() => {}) } })
    await sendMany(nas, WAITING_MAX + 5)
    expect(await nas.ask(nas.pap('alice', code))).toMatchObject({ says: 'accept' })
  })

  it('bounds how many Rejects of one client are held back', async () => {
    const recent = new Recent()
    const { wait, open } = barrier()
    const held = Array.from({ length: HELD_MAX }, () => recent.hold(() => wait))
    expect(await recent.hold(() => wait)).toBe(false)
    open()
    expect(new Set(await Promise.all(held))).toEqual(new Set([true]))
    expect(await recent.hold(() => wait)).toBe(true)
  })

  it('takes up other clients and secrets while it runs, and keeps what it has answered', async () => {
    const { nas, configure, code, port } = await started()
    const asking = nas.pap('alice', code)
    const first = await nas.ask(asking)
    await configure({ services: ['wiki'] })
    expect(await nas.ask(asking)).toEqual(first)
    await configure({}, 'a new one that is as long')
    nas.send(asking)
    const renewed = new Nas(port, 'a new one that is as long')
    undo.push(() => renewed.close())
    await expectSilence(renewed)
    expect(nas.rest()).toEqual([])
  })

  it('takes the client of the longest prefix, wherever it stands', async () => {
    const { listener, nas, k } = await started()
    const [own] = listener.plan!.clients
    const networks = [parseNetwork('127.0.0.0/8')!]
    const secretBytes = new TextEncoder().encode('of all others')
    const wide = { ...own!, name: 'all', networks, secretBytes }
    for (const clients of [
      [wide, own!],
      [own!, wide],
    ]) {
      await listener.configure({ ...listener.plan!, clients })
      k.clock.pass(30_000)
      expect(await nas.ask(nas.pap('alice', k.code().code))).toMatchObject({ says: 'accept' })
    }
  })

  it('hears nothing where it is not told to', async () => {
    const { listener, nas, code } = await started()
    await listener.configure(undefined)
    nas.send(nas.pap('alice', code))
    await listener.stop()
    expect(nas.rest()).toEqual([])
  })
})
