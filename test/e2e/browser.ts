import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'
import type { Namespace } from '../netns/namespace.ts'

const CHROMIUM = '/usr/bin/chromium'

/** `chromium` of Debian. */
export const hasBrowser = existsSync(CHROMIUM)

/** A real browser, without a window; it asks nobody but whom it is sent to. */
export const openBrowser = (executablePath = CHROMIUM): Promise<Browser> =>
  chromium.launch({
    executablePath,
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ],
  })

/** The same on a host of the lab; its program's file is gone when it has ended. */
export async function openBrowserOn(host: Namespace): Promise<Browser> {
  const folder = mkdtempSync(join(tmpdir(), 'oneknock-browser-'))
  const start = join(folder, 'chromium')
  writeFileSync(start, `#!/bin/sh\nexec ${host.enter.join(' ')} ${CHROMIUM} "$@"\n`)
  chmodSync(start, 0o755)
  const browser = await openBrowser(start)
  browser.once('disconnected', () => rmSync(folder, { recursive: true }))
  return browser
}

/** A phone held upright. */
export const PHONE = {
  viewport: { width: 360, height: 640 },
  isMobile: true,
  hasTouch: true,
  deviceScaleFactor: 2,
} as const
