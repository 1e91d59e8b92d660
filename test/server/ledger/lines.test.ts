import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Elements, Members, Text } from '../../../server/src/core/recorded.ts'
import { encodeGroup, GENESIS, parseLine, parseOpening } from '../../../server/src/ledger/lines.ts'
import { piecesOf } from '../../../server/src/ledger/pieces.ts'
import { Disk, pathOf } from './disk.ts'
import { live, openingOf } from './kit.ts'

const linesOf = (bytes: Buffer): Buffer[] =>
  bytes
    .toString('latin1')
    .split('\n')
    .slice(0, -1)
    .map(line => Buffer.from(line, 'latin1'))

describe('a line', () => {
  test('is these bytes', () => {
    const json = JSON.stringify({ event: 'knock', user: 'alice' })
    const { bytes, head } = encodeGroup({ seq: 6, hash: 'ab'.repeat(32) }, [{ at: 99, json }])
    const content = '{"seq":7,"at":99,"event":"knock","user":"alice","commit":1'
    expect(bytes.toString()).toBe(`${content},"hash":"${head.hash}"}\n`)
    expect(head.seq).toBe(7)
    expect(JSON.parse(bytes.toString())).toMatchObject({ seq: 7, user: 'alice' })
  })

  test('comes back as it was, whatever the event holds', () => {
    const event = fc.record({ event: fc.string(), more: fc.jsonValue() })
    fc.assert(
      fc.property(fc.array(event, { minLength: 1 }), fc.nat(), (events, at) => {
        const drafts = events.map(each => ({ at, json: JSON.stringify(each) }))
        const group = encodeGroup(GENESIS, drafts)
        let head = GENESIS
        for (const [index, bytes] of linesOf(group.bytes).entries()) {
          const line = parseLine(bytes, head)
          if (!line.ok) throw new Error(line.error)
          expect(JSON.stringify(line.value.event)).toBe(drafts[index]!.json)
          expect(line.value.at).toBe(at)
          expect(line.value.commit).toBe(index === drafts.length - 1 ? drafts.length : undefined)
          head = line.value
        }
        expect(head).toMatchObject(group.head)
      }),
    )
  })

  test('of any bytes at all never throws, nor passes for one', () => {
    const bytes = fc.oneof(
      fc.uint8Array(),
      fc.string().map(Buffer.from),
      fc.json().map(Buffer.from),
    )
    fc.assert(
      fc.property(bytes, some => {
        expect(parseLine(Buffer.from(some), GENESIS).ok).toBe(false)
        expect(parseOpening(Buffer.from(some)).ok).toBe(false)
      }),
    )
  })
})

describe('a checkpoint', () => {
  test('carries the state and says where the chain goes on from', async () => {
    const after = { file: 3, bytes: 1234, seq: 41, hash: 'cd'.repeat(32) }
    const { chunks, bytes, head } = await openingOf(after, 5, { codes: [1, 2] }, true)
    const whole = Buffer.concat(chunks)
    expect(whole.length).toBe(bytes)
    expect(head.seq).toBe(42)
    const [line] = linesOf(whole)
    expect(parseOpening(line!)).toMatchObject({
      ok: true,
      value: { ...head, at: 5, commit: 1, opening: { after, state: { codes: [1, 2] } } },
    })
  })

  test('leaves the mark to the last line of its group', async () => {
    const opening = await openingOf(undefined, 5, [], false)
    const json = JSON.stringify({ event: 'counted' })
    const { bytes } = encodeGroup(opening.head, [{ at: 6, json }], 1)
    const [line] = linesOf(bytes)
    expect(parseOpening(linesOf(Buffer.concat(opening.chunks))[0]!)).toMatchObject({
      value: { commit: undefined },
    })
    expect(parseLine(line!, opening.head)).toMatchObject({ value: { seq: 2, commit: 2 } })
  })

  test('is written in chunks, each a small part of a large state', async () => {
    const one = 'ä€𝄞'.repeat(1000)
    const state = { few: [1], many: Object.fromEntries([...Array(400).keys()].map(i => [i, one])) }
    const { chunks, bytes } = await openingOf(undefined, 5, state, true)
    expect(chunks.length).toBeGreaterThan(3)
    expect(Math.max(...chunks.map(chunk => chunk.length))).toBeLessThan(bytes / 3)
    expect(parseOpening(linesOf(Buffer.concat(chunks))[0]!)).toMatchObject({
      value: { opening: { state } },
    })
  })

  test('is the JSON of its state, though in pieces', () => {
    const field = fc.option(fc.jsonValue(), { nil: undefined })
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.dictionary(fc.string(), field)), state => {
        expect([...piecesOf(state)].join('')).toBe(JSON.stringify(state))
      }),
    )
  })

  test('is that of the large parts of a state as well, whole or with their ends across pieces', () => {
    const members = fc.dictionary(fc.string(), fc.jsonValue())
    const parts = fc.record({
      members: members.map(each => new Members(Object.entries(each), () => {})),
      elements: fc.array(fc.jsonValue()).map(each => new Elements(each)),
      text: fc.array(fc.string()).map(each => new Text(each)),
    })
    fc.assert(
      fc.property(fc.array(parts), state => {
        expect([...piecesOf(state)].join('')).toBe(JSON.stringify(state))
      }),
    )
  })

  test('whose place is not one, or which stands alone, is refused', () => {
    const wrong = [{ file: 1 }, { file: 'x', bytes: 0, seq: 0, hash: '0'.repeat(64) }, 7, undefined]
    for (const after of wrong) {
      const json = JSON.stringify({ event: 'checkpoint', format: 1, after, state: [] })
      const [bytes] = linesOf(encodeGroup(GENESIS, [{ at: 5, json }]).bytes)
      expect(parseOpening(bytes!)).toEqual({ ok: false, error: 'form' })
    }
    const json = JSON.stringify({ event: 'knock', after: null })
    const [bytes] = linesOf(encodeGroup(GENESIS, [{ at: 5, json }]).bytes)
    expect(parseOpening(bytes!)).toEqual({ ok: false, error: 'checkpoint' })
  })
})

test('the chain can be checked by a shell with sha256sum, across files', async () => {
  const disk = new Disk()
  const life = await live(disk, { maxFileBytes: 400 })
  for (let id = 1; id <= 6; id++) await life.append(id, 'ä "quoted" \\ %s $HOME \u2028')
  const files = [...disk.contents().values()]
  expect(files.length).toBeGreaterThan(1)
  expect([...disk.contents().keys()][0]).toBe(pathOf(1))
  const script = `
    previous=$(printf '0%.0s' $(seq 64))
    while IFS= read -r line; do
      content=\${line%,\\"hash\\":*}
      hash=$(printf %s "$previous$content" | sha256sum | cut -c1-64)
      [ "$line" = "$content,\\"hash\\":\\"$hash\\"}" ] || exit 1
      previous=$hash
    done
    printf %s "$previous"`
  const head = execFileSync('bash', ['-c', script], { input: Buffer.concat(files) }).toString()
  expect(head).toBe(life.ledger.head().hash)
})
