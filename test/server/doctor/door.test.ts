import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { doorFindings } from '../../../server/src/doctor/door.ts'
import { certificateFiles, makeCertificate } from '../../certificate.ts'
import { settings } from '../listeners/http.ts'

const folder = mkdtempSync(join(tmpdir(), 'oneknock-doctor-'))
afterAll(() => rmSync(folder, { recursive: true }))

const DAY = 24 * 3600_000
const seen = (http: Parameters<typeof doorFindings>[0], at = Date.now()) =>
  doorFindings(http, at).map(({ state, found }) => `${state}: ${found.replace(/\d{4}-.*/, 'DAY')}`)

it('says when the certificate ends, while there is time to renew it', () => {
  const tls = certificateFiles(folder)
  makeCertificate(tls, { days: 90 })
  const http = settings(8975, { tls })
  expect(seen(http)).toEqual(['fine: its certificate is good until DAY'])
  expect(seen(http, Date.now() + 77 * DAY)).toEqual(['warning: its certificate ends on DAY'])
  expect(seen(http, Date.now() + 91 * DAY)).toEqual(['problem: its certificate ended on DAY'])
  const absent = settings(8975, { tls: { ...tls, cert: join(folder, 'none') } })
  expect(seen(absent)[0]).toMatch(/^unknown: /)
})

it('warns of codes that others can read, and not where nobody can', () => {
  expect(seen(undefined)).toEqual([])
  expect(seen(settings(8975))).toEqual(['fine: is for this host alone'])
  const open = settings(8975, { listen: [{ host: '::', port: 8975 }] })
  expect(seen(open)[0]).toMatch(/^warning: speaks plain/)
})
