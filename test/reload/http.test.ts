import { once } from 'node:events'
import { chmodSync } from 'node:fs'
import { connect as connectPlain, type Socket } from 'node:net'
import { connect } from 'node:tls'
import { totpCode, totpStep } from '@oneknock/shared'
import { expect, it } from 'vitest'
import { certificateFiles, makeCertificate } from '../certificate.ts'
import { useSites } from '../daemon/fixture.ts'
import { type Person, person } from '../daemon/people.ts'
import type { Site } from '../daemon/site.ts'
import { until } from '../server/kit.ts'

/** The HTTP door of the real daemon, while its configuration and its certificate change. */

const sites = useSites()

const WIKI = (at: Site) => `
[services.wiki]
gate = { listen = "${at.address(8443)}", forward = "${at.address(80)}" }
`
const http = (at: Site, port: number, more = '') => `
[http]
listen = ["${at.address(port)}"]
${more}
${WIKI(at)}`

async function started(config: (site: Site) => string): Promise<{ site: Site; anna: Person }> {
  const anna = person('anna', { services: ['wiki'] })
  const site = sites.site({ people: [anna], config })
  await site.start()
  return { site, anna }
}

const reload = (site: Site) => site.ask({ command: 'reload' })
const codeOf = ({ totp }: Person) => totpCode(totp!.secret, totpStep(Date.now()))

async function come({ host }: Site, port: number): Promise<Socket> {
  const socket = connectPlain({ host, port, localAddress: '127.5.5.5' })
  await once(socket, 'connect')
  return socket
}

async function saidTo(socket: Socket, text: string): Promise<string> {
  let heard = ''
  socket.on('data', chunk => {
    heard += chunk
  })
  socket.write(text)
  await once(socket, 'close')
  return heard
}

const isThere = (site: Site, port: number) =>
  come(site, port).then(
    socket => {
      socket.destroy()
      return true
    },
    () => false,
  )

it('it opens, moves and closes without a restart, and hangs up on nobody who is there', async () => {
  const { site, anna } = await started(WIKI)
  expect(await isThere(site, 8975)).toBe(false)
  site.configure(at => http(at, 8975))
  await reload(site)
  const before = await come(site, 8975)
  site.configure(at => http(at, 8976))
  await reload(site)
  expect(await isThere(site, 8975)).toBe(false)
  expect(await isThere(site, 8976)).toBe(true)
  expect(await saidTo(before, `anna:${codeOf(anna)}\n`)).toMatch(/^open: wiki for 127\.5\.5\.5 /)
  site.configure(WIKI)
  await reload(site)
  expect(await isThere(site, 8976)).toBe(false)
})

it('once it is taken away, it opens nothing for whoever stands in it still', async () => {
  const { site, anna } = await started(at => http(at, 8975, 'services = []'))
  const [blind, asking] = [await come(site, 8975), await come(site, 8975)]
  site.configure(WIKI)
  await reload(site)
  const code = codeOf(anna)
  expect(await saidTo(blind, `anna:${code}\n`)).toMatch(/^not open: It cannot be opened just now/)
  expect(await saidTo(asking, `GET /anna:${code} HTTP/1.1\r\nHost: gate\r\n\r\n`)).toMatch(
    /^HTTP\/1\.1 503 /,
  )
  expect(await site.ask({ command: 'grants' })).toEqual([])
})

it('if its port cannot be had, all stays as it was', async () => {
  const { site } = await started(at => http(at, 8975))
  await sites.greet(site, 8976)
  site.configure(at => http(at, 8976))
  await expect(reload(site)).rejects.toThrow(/tcp .*:8976 is in use/)
  expect(await isThere(site, 8975)).toBe(true)
  expect(await site.ask({ command: 'status' })).toMatchObject({
    doors: [{ listen: [site.address(8975)] }],
  })
})

it('a renewed certificate is taken up, and one that is not fit leaves the old one there', async () => {
  const secure = (at: Site) =>
    http(at, 8975, `tls = { cert = "${at.folder}/cert.pem", key = "${at.folder}/key.pem" }`)
  const anna = person('anna', { services: ['wiki'] })
  const site = sites.site({ people: [anna], config: secure })
  const files = certificateFiles(site.folder)
  const issue = (name: string) => makeCertificate(files, { name })
  const shake = async () => {
    const socket = connect({ socket: await come(site, 8975), rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    return socket
  }
  const shown = async () => {
    const socket = await shake()
    const { CN } = socket.getPeerCertificate().subject
    socket.destroy()
    return CN
  }

  issue('first')
  await site.start()
  expect(await shown()).toBe('first')
  const before = await shake()
  issue('second')
  await reload(site)
  expect(await shown()).toBe('second')
  issue('third')
  chmodSync(files.key, 0o644)
  await expect(reload(site)).rejects.toThrow(/key\.pem: found mode 0644; others can read it/)
  expect(await shown()).toBe('second')
  const request = `GET /anna:${codeOf(anna)} HTTP/1.1\r\nHost: gate\r\n\r\n`
  expect(await saidTo(before, request)).toMatch(
    /^HTTP\/1\.1 200 [\s\S]*open: wiki for 127\.5\.5\.5 /,
  )
  // Who speaks no TLS, or never ends the handshake, is nobody.
  const plain = await come(site, 8975)
  expect(await saidTo(plain, 'anna:000000\n')).not.toContain('open')
  const status = () => site.ask<{ doors: { connections: number }[] }>({ command: 'status' })
  await until(status, ({ doors }) => doors[0]!.connections === 0)
})

it('a crash between a try and the next keeps its code used, and its lock', async () => {
  const { site, anna } = await started(at => http(at, 8975))
  const code = codeOf(anna)
  expect(await saidTo(await come(site, 8975), `anna:${code}\n`)).toMatch(/^open: /)
  for (let i = 0; i < 5; i++) await saidTo(await come(site, 8975), 'anna:000000\n')
  await site.end('SIGKILL')
  await site.start()
  expect(await saidTo(await come(site, 8975), `anna:${code}\n`)).toMatch(/^not open: /)
  const { locked } = await site.ask<{ locked: { who: string }[] }>({ command: 'status' })
  expect(locked).toMatchObject([{ who: 'anna/@http' }])
})
