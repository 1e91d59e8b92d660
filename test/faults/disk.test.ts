import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { totpCode, totpStep } from '@oneknock/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemFiles } from '../../server/src/ledger/files.ts'
import { verifyLedger } from '../../server/src/ledger/read.ts'
import { gateDoor } from '../crash/doors.ts'
import { useSites } from '../daemon/fixture.ts'
import type { Knocker } from '../daemon/knocker.ts'
import { seal } from '../daemon/packets.ts'
import { type Person, person } from '../daemon/people.ts'
import type { Site } from '../daemon/site.ts'
import { until } from '../server/kit.ts'

/** Where everybody knocks from. */
const HERE = '127.5.5.5'
/** A device may ask once a second, and the ledger tries again as often. */
const POLL_MS = 50

const whyNoMount = (): string | undefined => {
  if (process.getuid?.() !== 0) return 'skipped: mounting a small disk needs root'
  const tried = spawnSync('unshare', ['--mount', 'true'])
  return tried.status === 0 ? undefined : 'skipped: this root may not mount'
}

const why = whyNoMount()
if (why && process.env.CI === 'true') {
  it('a small disk can be mounted', () => expect(why).toBeUndefined())
}

describe.skipIf(why)(why ?? 'a daemon whose disk is a megabyte', () => {
  const sites = useSites()
  const alice = person('alice', { services: ['web'] })
  const bob = person('bob', { services: ['web'] })
  const asker = person('asker', { services: ['web'], devices: 10 })
  const people = [alice, bob, asker]
  let disk: string
  let site: Site
  let knocker: Knocker
  let isOpen: () => Promise<boolean>
  /** Codes are told from each other although the half minute may turn meanwhile. */
  let firstStep: number
  let asked = 0

  beforeEach(async () => {
    disk = mkdtempSync(join(tmpdir(), 'oneknock-disk-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'oneknock-test', disk])
    site = sites.site({
      people,
      state: join(disk, 'state'),
      config: ({ host }) => `
[services.web]
max_lifetime = "10m"
gate = { listen = "${host}:8443", forward = "${host}:80" }
`,
    })
    await sites.greet(site)
    await site.start()
    knocker = await sites.knocker(site, HERE)
    const door = gateDoor('web', { host: site.host, port: 8443 })
    isOpen = async () => door.isOpen(HERE)
    firstStep = totpStep(Date.now())
  })
  afterEach(async () => {
    await site.end('SIGKILL')
    execFileSync('umount', ['-l', disk])
    rmSync(disk, { recursive: true })
  })

  const ballast = () => join(disk, 'ballast')

  /** Somebody else takes all the room that is left, whatever it takes. */
  function fillUp(): void {
    const { bavail, bsize } = statfsSync(disk)
    writeFileSync(ballast(), Buffer.alloc(bavail * bsize))
  }

  const open = (by: Person, step = 0, lifetime = 600) => {
    const code = totpCode(by.totp!.secret, firstStep + step)
    const factor = { kind: 'totp', code } as const
    return knocker.ask(seal(by.devices[0]!, { services: ['web'], factor, lifetime }), 10_000)
  }

  /** Asks until the answer is that one; without a code, so none is used up, and from many devices. */
  const answers = (status: string, reason: string) =>
    until(
      async () => {
        await delay(POLL_MS)
        const device = asker.devices[asked++ % asker.devices.length]!
        return knocker.ask(seal(device, { verb: 'close', services: ['web'] }), 10_000)
      },
      reply => reply?.status === status && reply.reason === reason,
      15_000,
    )

  const full = () => answers('refused', 'state-unavailable')
  const well = () => answers('closed', 'none')

  it('refuses with reason 10 and opens nothing while it is full, and recovers by itself', async () => {
    expect(await open(alice)).toMatchObject({ status: 'opened' })
    fillUp()
    await full()
    const refused = await open(bob)
    expect(refused).toMatchObject({ status: 'refused', reason: 'state-unavailable', lifetime: 0 })
    // Alice's door is open for the same address: it is hers that must be seen to be the only one.
    expect(await site.ask({ command: 'grants' })).toMatchObject([{ user: 'alice' }])
    expect(await isOpen()).toBe(true)

    rmSync(ballast())
    await well()
    expect(await open(bob), 'a code that was not recorded is used up all the same').toMatchObject({
      reason: 'factor-used',
    })
    expect(await open(bob, 1)).toMatchObject({ status: 'opened' })
    await site.end('SIGKILL')
    expect(await verifyLedger(site.ledger, systemFiles)).toMatchObject({ ok: true })
    await site.start()
    expect(await open(bob, 1)).toMatchObject({ reason: 'factor-used' })
    expect(await site.ask({ command: 'grants' })).toHaveLength(2)
  })

  it('closes on time while it is full, and a start on it loses nothing', async () => {
    expect(await open(alice, 0, 2)).toMatchObject({ status: 'opened' })
    expect(await open(bob, 0, 600)).toMatchObject({ status: 'opened' })
    fillUp()
    await full()
    await until(
      () => site.ask<{ user: string }[]>({ command: 'grants' }),
      grants => grants.every(({ user }) => user === 'bob'),
    )
    await site.end('SIGKILL')
    await site.start()
    expect(await site.ask({ command: 'grants' })).toMatchObject([{ user: 'bob', state: 'open' }])
    expect(await isOpen()).toBe(true)
    expect(await open(alice, 1)).toMatchObject({ reason: 'state-unavailable' })
    rmSync(ballast())
    await well()
    expect(await open(bob, 1)).toMatchObject({ status: 'opened' })
  })

  it('refuses with reason 10 while it is read-only, and recovers by itself', async () => {
    expect(await open(alice)).toMatchObject({ status: 'opened' })
    fillUp()
    await full()
    // It holds no file open any more, so the disk can be taken from it before it notices the room.
    rmSync(ballast())
    execFileSync('mount', ['-o', 'remount,ro', disk])
    await until(
      async () => {
        await full()
        return site.log.some(({ msg }) => msg.includes('EROFS'))
      },
      Boolean,
      15_000,
    )
    expect(await open(bob)).toMatchObject({ reason: 'state-unavailable' })
    expect(await site.ask({ command: 'grants' })).toMatchObject([{ user: 'alice' }])
    execFileSync('mount', ['-o', 'remount,rw', disk])
    await well()
    expect(await open(bob, 1)).toMatchObject({ status: 'opened' })
  })
})
