import { createServer, type Server } from 'node:http'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { lacking } from '../server/commands/cli.ts'
import { type Kit, kit, until } from '../server/kit.ts'
import { type Door, freePort, makeDoor } from '../server/listeners/http.ts'
import { hasBrowser, openBrowser } from './browser.ts'

/*
 * A browser that somebody else's page steers, and the HTTP door: `localhost` and 127.0.0.1 are two sites,
 * and a browser tells both where a request comes from, as it tells every door with TLS.
 */
describe.skipIf(lacking(hasBrowser))('a page of another site', () => {
  let browser: Browser
  let elsewhere: Server
  let door: Door
  let k: Kit
  beforeAll(async () => {
    browser = await openBrowser()
  })
  beforeEach(async () => {
    k = kit({ host: { listensOnLoopback: true } })
    door = await makeDoor()
    await door.listener.start(k.gatekeeper.judge)
  })
  afterEach(async () => {
    elsewhere.close()
    await door.listener.stop()
  })
  afterAll(() => browser?.close())

  it('can neither have a code tried by a picture, nor by a form that sends itself', async () => {
    const gate = `http://127.0.0.1:${door.port}`
    const { code } = k.code()
    elsewhere = createServer((request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' })
      response.end(
        request.url === '/picture'
          ? `<img src="${gate}/alice:${code}">`
          : `<form method="post" action="${gate}/"><input name="user" value="alice">
             <input name="code" value="${code}"></form><script>document.forms[0].submit()</script>`,
      )
    })
    const port = await freePort()
    await new Promise<void>(resolve => elsewhere.listen(port, '127.0.0.1', resolve))
    const page = await browser.newPage()
    // Nor is the answer anything that such a page could show.
    const refused = page.waitForEvent('requestfailed', asked => asked.url().startsWith(gate))
    await page.goto(`http://localhost:${port}/picture`)
    await refused
    expect(k.counters.read()).toMatchObject({ opened: 0, refused: 0 })
    await page.goto(`http://localhost:${port}/form`)
    await until(
      () => page.textContent('body').catch(() => ''),
      text => text?.includes('A page of another site') === true,
    )
    expect(k.counters.read()).toMatchObject({ opened: 0, refused: 0 })
    // The form that is there then is the person's own.
    await page.fill('[name=user]', 'alice')
    await page.fill('[name=code]', code)
    await page.click('button')
    await page.waitForSelector('dl')
    expect(k.counters.read()).toMatchObject({ opened: 1, refused: 0 })
  })
})
