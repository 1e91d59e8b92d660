import { describe, expect, it } from 'vitest'
import { formatUser } from '../../../server/src/users/user.ts'
import { parseUser, type UsersConfig } from '../../../server/src/users.ts'
import { config, POST, problems } from './openers.ts'

const GATE = 'gate = { listen = "0.0.0.0:1", forward = "h:2" }'
const DOOR = '[http]\nlisten = ["127.0.0.1:8975"]\npublic = "https://gate.example.com:8975/"\n'

describe('an approval', () => {
  it('says which way to ask, whom, and for how long an answer is waited for', async () => {
    const asked = async (own: string) =>
      (await config(`${POST}${DOOR}[services.s]\n${GATE}\n${own}`)).services.get('s')!.approval
    expect(await asked('')).toBeUndefined()
    expect(await asked('approval = "post"')).toEqual({ channel: 'post', timeoutMs: 120_000 })
    expect(await asked('approval = "post"\napprover = "bob"\napproval_timeout = "5m"')).toEqual({
      channel: 'post',
      approver: 'bob',
      timeoutMs: 300_000,
    })
  })

  it.each([
    [POST + DOOR, 'approval = "phone"', 'approval: there is no such way: write [delivery.phone]'],
    [POST, 'approval = "post"', 'approval: is answered by a link, which nothing would answer'],
    [
      `${POST}[http]\nlisten = ["127.0.0.1:8975"]\n`,
      'approval = "post"',
      'approval: is answered by a link, which nothing would answer: write [http] with public',
    ],
    [POST + DOOR, 'approver = "bob"', 'approver: belongs to an approval, but there is none'],
    [
      POST + DOOR,
      'approval_timeout = "1m"',
      'approval_timeout: belongs to an approval, but there is none',
    ],
    [
      POST + DOOR,
      'approval = "post"\napproval_timeout = "10m"',
      'approval_timeout: write a duration from "10s" to "9m"',
    ],
    [POST + DOOR, 'approval = "post"\napprover = "Bob"', 'approver: '],
  ])('%s %s', async (around, own, expected) => {
    expect(await problems(`${around}[services.s]\n${GATE}\n${own}`)).toEqual([
      expect.stringContaining(`services.s.${expected}`),
    ])
  })
})

describe('a way to people', () => {
  const DOOR = '[services.s]\ngate = { listen = "0.0.0.0:1", forward = "h:2" }\n'
  const way = async (text: string) =>
    (await config(`${DOOR}[delivery.way]\n${text}`)).delivery.get('way')

  it('is mail, ntfy or a webhook', async () => {
    expect(
      await way('mail = { server = "smtps://mail.example.com", from = "gate@example.com" }'),
    ).toEqual({
      kind: 'mail',
      server: { host: 'mail.example.com', port: 465 },
      tls: 'at once',
      ca: undefined,
      from: 'gate@example.com',
      login: undefined,
    })
    const mail =
      'server = "smtp://[::1]:2525", from = "a@b", ca = "/ca", user = "gate", password_env = "P"'
    expect(await way(`mail = { ${mail} }`)).toMatchObject({
      server: { host: '::1', port: 2525 },
      tls: 'starttls',
      ca: '/ca',
      login: { user: 'gate', password: { kind: 'environment', variable: 'P' } },
    })
    expect(await way('ntfy = { server = "https://ntfy.example.com", token_file = "/t" }')).toEqual({
      kind: 'ntfy',
      url: 'https://ntfy.example.com',
      token: { kind: 'file', path: '/t' },
    })
    expect(await way('ntfy = { server = "http://127.0.0.1:8080" }')).toMatchObject({
      token: undefined,
    })
    expect(
      await way('webhook = { url = "https://chat.example.com/hook", secret_env = "S" }'),
    ).toEqual({
      kind: 'webhook',
      url: 'https://chat.example.com/hook',
      secret: { kind: 'environment', variable: 'S' },
    })
  })

  it.each([
    ['', 'delivery.way: write one way'],
    [
      'ntfy = { server = "https://a" }\nwebhook = { url = "https://b", secret_env = "S" }',
      'delivery.way: write one way',
    ],
    ['webhook = { url = "https://b" }', 'delivery.way.webhook: write secret_file ='],
    [
      'webhook = { url = "http://b.example.com", secret_env = "S" }',
      'delivery.way.webhook.url: write an https address',
    ],
    [
      'webhook = { url = "https://a:b@c", secret_env = "S" }',
      'delivery.way.webhook.url: write an https address',
    ],
    ['ntfy = { server = "ntfy.sh" }', 'delivery.way.ntfy.server: write an https address'],
    [
      'ntfy = { server = "https://a", token_env = "1" }',
      'delivery.way.ntfy.token_env: write the name of an environment',
    ],
    [
      'mail = { server = "mail.example.com", from = "a@b" }',
      'delivery.way.mail.server: write the mail server',
    ],
    [
      'mail = { server = "smtp://a", from = "Anna <a@b>" }',
      'delivery.way.mail.from: write a mail address',
    ],
    [
      'mail = { server = "smtp://a", from = "a@b", user = "gate" }',
      'delivery.way.mail: user and password_file',
    ],
    [
      'mail = { server = "smtp://a", from = "a@b", password_env = "P" }',
      'delivery.way.mail: user and password_file',
    ],
  ])('%s', async (text, expected) => {
    expect(await problems(`${DOOR}[delivery.way]\n${text}`)).toEqual([
      expect.stringContaining(expected),
    ])
  })
})

describe('a user’s file', () => {
  const users: UsersConfig = { usersFolder: '/etc/oneknock/users', services: new Map() }
  const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f'
  const parse = (text: string) => parseUser(users, 'anna', `services = []\n${text}`)

  it('has ssh keys, and addresses for messages', async () => {
    const user = await parse(
      `ssh_keys = ["${KEY} anna@laptop"]\n[contact]\nmail = "anna@example.com"\nntfy = "annas-topic"`,
    )
    expect(user).toMatchObject({
      ok: true,
      value: { sshKeys: [KEY], contact: { mail: 'anna@example.com', ntfy: 'annas-topic' } },
    })
  })

  it('is read back as it was written', async () => {
    const read = await parse(`ssh_keys = ["${KEY}"]\ncontact.mail = "anna@example.com"`)
    if (!read.ok) expect.fail(JSON.stringify(read.error))
    expect(await parseUser(users, 'anna', formatUser(read.value))).toEqual(read)
  })

  it.each([
    [`ssh_keys = ["command=\\"sh\\" ${KEY}"]`, 'ssh_keys[0]'],
    [`ssh_keys = ["${KEY}\\n${KEY}"]`, 'ssh_keys[0]'],
    [`ssh_keys = "${KEY}"`, 'ssh_keys'],
    ['contact.mail = "a@b\\r\\nBcc: c@d"', 'contact.mail'],
    ['contact.mail = "a@b,c@d"', 'contact.mail'],
    ['contact.ntfy = "../other"', 'contact.ntfy'],
    ['contact.phone = "1"', 'contact.phone'],
  ])('does not have %s', async (text, key) => {
    expect(await parse(text)).toMatchObject({ ok: false, error: [{ key }] })
  })
})
