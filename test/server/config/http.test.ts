import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { readCertificate } from '../../../server/src/config/certificate.ts'
import { formatConfigError, parseConfig } from '../../../server/src/config.ts'
import { certificateFiles, makeCertificate } from '../../certificate.ts'
import { complaints, FILE } from './reading.ts'
import { scratch } from './scratch.ts'

/** A configuration that is right but for what the lines say; they stand from line 8 on. */
const withHttp = (lines: string, more = ''): string => `public = "gate.example.com"
firewall.backend = "nftables"
[services.ssh]
ports = ["tcp/22"]
[services.wiki]
gate = { listen = "0.0.0.0:8443", forward = "127.0.0.1:443" }
[http]
${lines}
${more}`

describe('[http]', () => {
  it('is absent unless it is written, and understood if it is', async () => {
    const none = await parseConfig(FILE, withHttp('').replace('[http]', ''))
    expect(none).toMatchObject({ ok: true, value: { http: undefined } })
    const text = withHttp(`listen = ["[::]:8975"]
public = "https://gate.example.com:8975/"
tls = { cert = "/etc/oneknock/cert.pem", key = "/etc/oneknock/key.pem" }
trusted_proxies = ["127.0.0.1/32"]
services = ["wiki"]`)
    expect(await parseConfig(FILE, text)).toMatchObject({
      ok: true,
      value: {
        http: {
          listen: [{ host: '::', port: 8975 }],
          public: 'https://gate.example.com:8975',
          tls: { cert: '/etc/oneknock/cert.pem', key: '/etc/oneknock/key.pem' },
          trustedProxies: [{ address: '127.0.0.1', prefix: 128 }],
          services: ['wiki'],
        },
      },
    })
  })

  it.each([
    ['nowhere to listen', '', ':7: http.listen: nothing there; write a list'],
    ['an empty list', 'listen = []', ':8: http.listen: found a list; write at least one address'],
    ['a name to listen on', 'listen = ["gate:8975"]', ':8: http.listen[0]: found "gate:8975"'],
    [
      'a port twice',
      'listen = ["[::]:8975", "0.0.0.0:8975"]',
      ":8: http.listen[1]: 0.0.0.0:8975 is this door's",
    ],
    [
      'a gate’s port',
      'listen = ["[::]:8443"]',
      ':8: http.listen[0]: [::]:8443 is the gate of services.wiki',
    ],
    ['a guarded port', 'listen = ["[::]:22"]', ':8: http.listen[0]: services.ssh guards tcp/22'],
    [
      'no address of a page',
      'listen = ["[::]:8975"]\npublic = "gate:8975"',
      ':9: http.public: found "gate:8975"',
    ],
    [
      'a certificate without a key',
      'listen = ["[::]:8975"]\ntls = { cert = "/a" }',
      ':9: http.tls.key: nothing there',
    ],
    [
      'everybody as a proxy',
      'listen = ["[::]:8975"]\ntrusted_proxies = ["::/0"]',
      ':9: http.trusted_proxies[0]: is everybody',
    ],
    [
      'an unknown service',
      'listen = ["[::]:8975"]\nservices = ["wikis"]',
      ':9: http.services[0]: there is no such service',
    ],
    [
      'a slip',
      'listen = ["[::]:8975"]\ntrusted_proxie = []',
      ':9: http.trusted_proxie: no such key; did you mean trusted_proxies?',
    ],
  ])('is refused for %s, in words and with its line', async (_, lines, expected) => {
    expect((await complaints(withHttp(lines)))[0]).toContain(expected)
  })

  it('cannot be where the numbers are', async () => {
    const text = withHttp('listen = ["127.0.0.1:9105"]', '[metrics]\nlisten = "127.0.0.1:9105"')
    expect((await complaints(text))[0]).toContain("is metrics's; take another port")
  })
})

describe('its certificate', () => {
  let folder: string
  let cert: string
  let key: string
  beforeEach(() => {
    folder = scratch()
    ;({ cert, key } = certificateFiles(folder))
  })

  const read = (files = { cert, key }) => {
    const found = readCertificate(files)
    return found.ok ? 'fit' : formatConfigError(found.error)
  }

  it('must be there, whole, of its key, and the key nobody else’s', () => {
    expect(read()).toBe(`${cert}: does not exist`)
    makeCertificate({ cert, key })
    expect(read()).toBe('fit')
    chmodSync(key, 0o640)
    expect(read()).toBe(`${key}: found mode 0640; others can read it; run: chmod 600 ${key}`)
    chmodSync(key, 0o600)
    const other = { cert, key: join(folder, 'other.pem') }
    makeCertificate({ cert: join(folder, 'other-cert.pem'), key: other.key })
    expect(read(other)).toContain('is no PEM certificate that goes with the key in')
    writeFileSync(cert, 'SECRET-77 is no certificate')
    expect(read()).toContain('is no PEM certificate')
    expect(read()).not.toContain('SECRET-77')
  })
})
