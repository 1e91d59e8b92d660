import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { systemClock } from '../../server/src/core/clock.ts'
import { LongListing } from '../../server/src/hooks/nftables/long-listing.ts'
import { keptNft } from '../../server/src/hooks/nftables/nft.ts'
import { describeWithNamespaces } from './lab.ts'
import { holdNamespace, Namespace } from './namespace.ts'

const COMMAND = 'list table inet t'
const LIMIT = 30_000
const MEGABYTE = 1024 * 1024

describeWithNamespaces('nftables: a listing with all elements', () => {
  let namespace: Namespace
  let folder: string
  let real: string
  const small: ChildProcess[] = []

  beforeAll(async () => {
    namespace = new Namespace(await holdNamespace())
    real = `exec ${namespace.enter.join(' ')} nft "$@"`
  })
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'okn-listing-'))
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    for (const holder of small.splice(0)) holder.kill('SIGKILL')
    rmSync(folder, { recursive: true })
    await namespace.nft('flush ruleset')
  })
  afterAll(() => namespace.destroy())

  /** An nft that notes where its words go, and then does this. */
  const nft = (script = real) => {
    const program = join(folder, 'nft')
    const note = `echo "$(readlink /proc/$$/fd/1) $(stat -L -c '%a %h' /proc/$$/fd/1)" >>${folder}/ways`
    writeFileSync(program, `#!/bin/sh\n${note}\n${script}\n`, { mode: 0o755 })
    return program
  }
  /** Of each process, in order: a file that nobody else can open, a pipe, or what it was. */
  const ways = () =>
    readFileSync(join(folder, 'ways'), 'utf8')
      .trim()
      .split('\n')
      .map(way => way.replace(/^\/\S*\/#\d+ \(deleted\) 600 0$/, 'file'))
      .map(way => way.replace(/^socket:.*/, 'pipe'))

  /** A file system in memory of this size, which nobody else sees. */
  const memoryOf = async (size: string) => {
    const script = `mount -t tmpfs -o size=${size} none /mnt && echo up && exec cat`
    const stdio: ['pipe', 'pipe', 'inherit'] = ['pipe', 'pipe', 'inherit']
    const holder = spawn('unshare', ['--mount', 'sh', '-c', script], { stdio })
    small.push(holder)
    await once(holder.stdout, 'data')
    return `/proc/${holder.pid}/root/mnt`
  }

  /** Puts a table there, and tells how nft prints it. */
  const table = async (bytes: number) => {
    const remark = 'x'.repeat(80)
    const elements = Array.from({ length: Math.ceil(bytes / 100) }, (_, i) => {
      return `10.0.${i >> 8}.${i & 255} comment "${remark}"`
    })
    await namespace.nft(
      `table inet t { set s { type ipv4_addr; elements = { ${elements.join(', ')} }; }; }`,
    )
    const text = await namespace.run('nft', 'list', 'table', 'inet', 't')
    expect(text.match(/10\.0\.\d+\.\d+/g)).toHaveLength(elements.length)
    expect(text.length).toBeGreaterThan(bytes)
    return text
  }
  const whole = (output: string) => ({ kind: 'done', output })

  it('comes by a file that nobody else can open, and leaves none', async () => {
    const text = await table(MEGABYTE / 2)
    vi.stubEnv('PATH', `${folder}:${process.env.PATH}`)
    nft()
    const runner = keptNft(systemClock, () => {})
    expect(await runner.readAll(COMMAND)).toBe(text)
    expect(await runner.readAll(COMMAND)).toBe(text)
    await expect(runner.readAll('list table inet gone')).rejects.toMatchObject({ code: 'failed' })
    await runner.stop()
    expect(ways()).toEqual(['file', 'file', 'file'])
    expect(filesInMemory()).toEqual([])
  })

  it('comes over a pipe where there is no folder for it, or not enough room', async () => {
    const text = await table(MEGABYTE / 2)
    const places = [join(folder, 'nowhere'), await memoryOf('1m,ro'), await memoryOf('1020k')]
    for (const place of places) {
      expect(await new LongListing(nft(), [], place).ask(COMMAND, LIMIT)).toEqual(whole(text))
    }
    expect(ways()).toEqual(['pipe', 'pipe', 'pipe'])
    expect(free(places[2]!)).toBe(1020 * 1024)
  })

  it('is not cut off where its file was too small, and has a larger one the next time', async () => {
    const text = await table(1.2 * MEGABYTE)
    const listing = new LongListing(nft(), [])
    expect(await listing.ask(COMMAND, LIMIT)).toEqual(whole(text))
    expect(await listing.ask(COMMAND, LIMIT)).toEqual(whole(text))
    expect(ways()).toEqual(['file', 'pipe', 'file'])
  })

  it('is not cut off where its file filled the folder, of which nft says nothing', async () => {
    const text = await table(1.2 * MEGABYTE)
    const listing = new LongListing(nft(), [], await memoryOf('1m'))
    expect(await listing.ask(COMMAND, LIMIT)).toEqual(whole(text))
    expect(await listing.ask(COMMAND, LIMIT)).toEqual(whole(text))
    expect(ways()).toEqual(['file', 'pipe', 'pipe'])
  })

  it('has its room before somebody else fills the folder', async () => {
    const text = await table(MEGABYTE / 2)
    const place = await memoryOf('2m')
    const program = nft(`dd if=/dev/zero of=${place}/hog bs=64k 2>/dev/null\n${real}`)
    const listing = new LongListing(program, [], place)
    expect(await listing.ask(COMMAND, LIMIT)).toEqual(whole(text))
    expect(ways()).toEqual(['file'])
    // All but its room, which it has given back.
    expect(free(place)).toBe(MEGABYTE)
  })

  it.each([
    ['killed', 'kill -9 $$', 'gone', LIMIT],
    ['refused', 'echo Error: no >&2; exit 1', 'refused', LIMIT],
    ['too slow', 'exec sleep 60', 'timeout', 1_500],
  ])('is none if nft was %s halfway', async (_, end, kind, limit) => {
    const program = nft(`echo 'table inet t {'\n${end}`)
    const answer = await new LongListing(program, []).ask(COMMAND, limit)
    expect(answer).toMatchObject({ kind })
    expect(ways()).toEqual(['file'])
    expect(filesInMemory()).toEqual([])
  })
})

/** Those that this process has open. */
function filesInMemory(): string[] {
  const open = readdirSync('/proc/self/fd').flatMap(descriptor => {
    try {
      return [readlinkSync(`/proc/self/fd/${descriptor}`)]
    } catch {
      return [] // The one of the folder itself.
    }
  })
  return open.filter(path => path.startsWith('/dev/shm/#'))
}

function free(folder: string): number {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}
