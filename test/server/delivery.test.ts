import { createHmac } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ChannelSettings, MailSettings } from '../../server/src/core/directory.ts'
import { type Delivery, DeliveryError, makeDelivery } from '../../server/src/delivery.ts'
import { readSecret, SecretError } from '../../server/src/secrets.ts'
import { certificateFiles, makeCertificate } from '../certificate.ts'
import { lacking } from './commands/cli.ts'
import { Receiver } from './delivery/receiver.ts'
import { hasSmtpServer, type SmtpOptions, SmtpServer } from './delivery/smtp.ts'

const NOW = 1_800_000_000_000
const PASSWORD = 'pass-word-7f3a'
const TOKEN = 'tk_0123456789'
const MESSAGE = {
  title: 'Your login',
  text: 'name ok-1\npassword hunter2',
  actions: [{ label: 'Approve', url: 'https://gate.example.com/a/1' }],
}
const ANNA = { user: 'anna', contact: { mail: 'anna@example.com', ntfy: 'annas-topic' } }
/** What no log and no error may hold. */
const SECRETS = [PASSWORD, TOKEN, 'hunter2', 'annas-topic', '/a/1', 'secret-path']

let folder: string
let pauses: number[]
let undo: (() => Promise<void>)[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'okh-delivery-'))
  pauses = []
  undo = []
})
afterEach(async () => {
  for (const stop of undo) await stop()
  rmSync(folder, { recursive: true })
})

function secret(text: string, mode = 0o600) {
  const path = join(folder, 'secret')
  writeFileSync(path, text)
  chmodSync(path, mode)
  return { kind: 'file', path } as const
}

function deliver(settings: ChannelSettings, attemptLimit = 10_000): Delivery {
  const sleep = async (ms: number) => pauses.push(ms)
  return makeDelivery(new Map([['way', settings]]), {
    readSecret,
    now: () => NOW,
    sleep,
    attemptLimit,
  })
}

async function failure(work: Promise<void>): Promise<DeliveryError> {
  const error = await work.then(
    () => expect.unreachable('it arrived'),
    error => error,
  )
  expect(error).toBeInstanceOf(DeliveryError)
  for (const text of SECRETS) expect(`${error.message} ${error.stack}`).not.toContain(text)
  return error
}

describe.skipIf(lacking(hasSmtpServer))('mail', () => {
  async function start(own: Partial<MailSettings> = {}, options: SmtpOptions = {}) {
    const server = await SmtpServer.start(options)
    undo.push(() => server.stop())
    const settings: MailSettings = {
      kind: 'mail',
      server: { host: '127.0.0.1', port: server.port },
      tls: 'starttls',
      ca: undefined,
      from: 'oneknock@example.com',
      login: undefined,
      ...own,
      ...(own.server && { server: { host: own.server.host, port: server.port } }),
    }
    return { server, way: deliver(settings, options.stall ? 500 : undefined) }
  }

  it('reaches a real SMTP server', async () => {
    const { server, way } = await start()
    await way.send('way', ANNA, MESSAGE)
    const [mail] = await server.mails(1)
    expect(mail).toMatchObject({ sender: 'oneknock@example.com', to: ['anna@example.com'] })
    expect(mail!.content).toContain('Subject: Your login\r\n')
    expect(mail!.content).toContain('Auto-Submitted: auto-generated\r\n')
    expect(mail!.content).toContain('name ok-1\r\npassword hunter2\r\n')
    expect(mail!.content).toContain('Approve: https://gate.example.com/a/1')
  })

  it('logs in with the secret of a file', async () => {
    const login = { user: 'gate', password: secret(`${PASSWORD}\n`) }
    const { server, way } = await start({ login }, { login: ['gate', PASSWORD] })
    await way.send('way', ANNA, MESSAGE)
    expect(server.logins).toEqual([true])
    expect(await server.mails(1)).toHaveLength(1)
    secret('another')
    expect(await failure(way.send('way', ANNA, MESSAGE))).toMatchObject({ code: 'refused' })
    expect(await server.mails(1)).toHaveLength(1)
    expect(pauses).toEqual([])
  })

  it('tries again what is for now, not what is for good', async () => {
    const { server, way } = await start(
      {},
      { answers: ['451 later', '421 later', '250 ok', '550 no'] },
    )
    await way.send('way', ANNA, MESSAGE)
    const mails = await server.mails(3)
    expect(mails.map(({ answer }) => answer.slice(0, 3))).toEqual(['451', '421', '250'])
    expect(pauses).toEqual([1_000, 3_000])
    const ids = mails.map(({ content }) => /^Message-ID: (.*)$/im.exec(content)?.[1])
    expect(new Set(ids).size).toBe(1)
    const refused = await failure(way.send('way', ANNA, MESSAGE))
    expect(refused).toMatchObject({ code: 'refused', passing: false })
    expect(refused.message).toContain('answered 550')
    expect(pauses).toHaveLength(2)
  })

  it('gives up in the end', async () => {
    const { server, way } = await start({}, { answers: ['451 later'] })
    expect(await failure(way.send('way', ANNA, MESSAGE))).toMatchObject({ code: 'refused' })
    expect(await server.mails(3)).toHaveLength(3)
    await server.stop()
    expect(await failure(way.send('way', ANNA, MESSAGE))).toMatchObject({ code: 'unreachable' })
  })

  it('waits for a silent server only so long', async () => {
    const { server, way } = await start({}, { stall: true })
    expect(await failure(way.send('way', ANNA, MESSAGE))).toMatchObject({ code: 'unreachable' })
    expect(await server.mails(3)).toHaveLength(3)
  })

  describe('over a network', () => {
    // Not a loopback address to the eye, and one to the kernel: so TLS is demanded, and traffic stays here.
    const server = { host: '0.0.0.0', port: 0 }

    function certificate(): readonly [string, string] {
      const files = certificateFiles(folder)
      makeCertificate(files, { name: 'mail', altName: 'IP:0.0.0.0' })
      return [files.cert, files.key]
    }

    it('goes through TLS that the named authority vouches for', async () => {
      const tls = certificate()
      const { server: smtp, way } = await start({ server, ca: tls[0] }, { tls })
      await way.send('way', ANNA, MESSAGE)
      expect(await smtp.mails(1)).toMatchObject([{ tls: true }])
    })

    it('goes nowhere without TLS, nor with a stranger', async () => {
      const plain = await start({ server })
      expect(await failure(plain.way.send('way', ANNA, MESSAGE))).toMatchObject({
        code: 'unreachable',
      })
      expect(await plain.server.mails(0)).toEqual([])
      const stranger = await start({ server }, { tls: certificate() })
      expect(await failure(stranger.way.send('way', ANNA, MESSAGE))).toMatchObject({
        code: 'unreachable',
      })
      expect(await stranger.server.mails(0)).toEqual([])
      const missing = await start({ server, ca: join(folder, 'none') })
      expect((await failure(missing.way.send('way', ANNA, MESSAGE))).message).toContain(
        'ca cannot be read',
      )
    })
  })
})

describe('ntfy, by a stand-in', () => {
  async function start(token = false) {
    const receiver = await Receiver.start()
    undo.push(() => receiver.stop())
    const way = deliver({
      kind: 'ntfy',
      url: receiver.url,
      token: token ? secret(TOKEN) : undefined,
    })
    return { receiver, way }
  }

  it('publishes as JSON, with actions', async () => {
    const { receiver, way } = await start(true)
    await way.send('way', ANNA, MESSAGE)
    const [received] = receiver.received
    expect(received).toMatchObject({ path: '/', headers: { authorization: `Bearer ${TOKEN}` } })
    expect(JSON.parse(received!.body)).toEqual({
      topic: 'annas-topic',
      title: 'Your login',
      message: 'name ok-1\npassword hunter2',
      click: 'https://gate.example.com/a/1',
      actions: [{ action: 'view', label: 'Approve', url: 'https://gate.example.com/a/1' }],
    })
  })

  it('needs no token, and no actions', async () => {
    const { receiver, way } = await start()
    await way.send('way', ANNA, { title: 'a', text: 'b' })
    expect(receiver.received[0]!.headers.authorization).toBeUndefined()
    expect(JSON.parse(receiver.received[0]!.body)).not.toHaveProperty('actions')
  })

  it('tries again when the server is unwell, not when it refuses', async () => {
    const { receiver, way } = await start()
    receiver.answers = [503, 429]
    await way.send('way', ANNA, MESSAGE)
    expect(pauses).toEqual([1_000, 3_000])
    receiver.answers = [403]
    const refused = await failure(way.send('way', ANNA, MESSAGE))
    expect(refused).toMatchObject({ code: 'refused' })
    expect(refused.message).toContain('status 403')
    expect(receiver.received).toHaveLength(4)
  })
})

describe('a webhook', () => {
  async function start() {
    const receiver = await Receiver.start()
    undo.push(() => receiver.stop())
    const url = `${receiver.url}/secret-path`
    return { receiver, way: deliver({ kind: 'webhook', url, secret: secret(TOKEN) }) }
  }

  it('is signed, and says the same in each attempt', async () => {
    const { receiver, way } = await start()
    receiver.answers = [500]
    await way.send('way', ANNA, MESSAGE)
    const [first, second] = receiver.received
    expect(first).toMatchObject({ path: '/secret-path' })
    const proof = createHmac('sha256', TOKEN)
      .update(`${NOW / 1000}.${first!.body}`)
      .digest('hex')
    expect(first!.headers['oneknock-signature']).toBe(`t=${NOW / 1000},v1=${proof}`)
    expect(second!.body).toBe(first!.body)
    expect(JSON.parse(first!.body)).toEqual({ ...MESSAGE, user: 'anna', id: expect.any(String) })
  })

  it('follows nobody elsewhere', async () => {
    const { receiver, way } = await start()
    receiver.answers = [{ location: `${receiver.url}/elsewhere` }]
    expect(await failure(way.send('way', ANNA, MESSAGE))).toMatchObject({ code: 'refused' })
    expect(receiver.received).toHaveLength(1)
  })

  it('waits for a silent receiver only so long', async () => {
    const { receiver } = await start()
    receiver.answers = ['hang', 'hang', 'hang']
    const settings = { kind: 'webhook', url: receiver.url, secret: secret(TOKEN) } as const
    const error = await failure(deliver(settings, 200).send('way', ANNA, MESSAGE))
    expect(error.message).toContain('within 0.2 s')
    expect(receiver.received).toHaveLength(3)
  })

  it('says why it is not reached', async () => {
    const { receiver, way } = await start()
    await receiver.stop()
    undo.pop()
    const error = await failure(way.send('way', ANNA, MESSAGE))
    expect(error.message).toContain(`${receiver.url} cannot be reached (ECONNREFUSED)`)
  })
})

describe('a message is not sent', () => {
  const way = () => deliver({ kind: 'ntfy', url: 'http://127.0.0.1:9', token: undefined })

  it('on a channel that is not there', async () => {
    const error = await failure(way().send('other', ANNA, MESSAGE))
    expect(error).toMatchObject({ code: 'unknown-channel' })
    expect(error.message).toContain('[delivery.other]')
  })

  it.each(['mail', 'ntfy'] as const)('to somebody without an address for %s', async kind => {
    const mail: MailSettings = {
      kind: 'mail',
      server: { host: '127.0.0.1', port: 9 },
      tls: 'starttls',
      ca: undefined,
      from: 'oneknock@example.com',
      login: undefined,
    }
    const bert = { user: 'bert', contact: undefined }
    const error = await failure(
      (kind === 'mail' ? deliver(mail) : way()).send('way', bert, MESSAGE),
    )
    expect(error).toMatchObject({ code: 'no-contact' })
    expect(error.message).toContain(`[contact] with ${kind} =`)
    expect(pauses).toEqual([])
  })

  it('without its secret', async () => {
    const open = deliver({
      kind: 'webhook',
      url: 'http://127.0.0.1:9',
      secret: secret(TOKEN, 0o644),
    })
    const error = await failure(open.send('way', ANNA, MESSAGE))
    expect(error).toMatchObject({ code: 'secret' })
    expect(error.message).toContain('chmod 600')
    expect(pauses).toEqual([])
  })
})

describe('a secret', () => {
  it('is read anew from its file, without the line end', () => {
    const source = secret(`${TOKEN}\n`)
    expect(readSecret(source)).toBe(TOKEN)
    secret('  another one ')
    expect(readSecret(source)).toBe('  another one ')
  })

  it.each(['', '\n', 'two\nlines', 'a\0b'])('is not %j', text => {
    expect(() => readSecret(secret(text))).toThrow(SecretError)
  })

  it('may stand in the environment', () => {
    const source = { kind: 'environment', variable: 'OKH_SECRET' } as const
    expect(() => readSecret(source)).toThrow('OKH_SECRET')
    vi.stubEnv('OKH_SECRET', TOKEN)
    try {
      expect(readSecret(source)).toBe(TOKEN)
    } finally {
      vi.unstubAllEnvs()
    }
  })
})
