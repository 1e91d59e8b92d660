import { expect, test } from 'vitest'
import { Segmenter } from '../../../client/src/tui/graphemes.ts'

/** All that the segmenter takes for single begins and ends with such a block, or inside of one. */
const BLOCK = 16
const intl = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
/** In both ways that there are to ask. */
function cut(by: Pick<Segmenter, 'segment'>, text: string) {
  const segments = by.segment(text)
  const inOrder = [...segments].map(({ segment, index }) => [index, segment])
  const byPlace = Array.from({ length: text.length + 1 }, (_, i) => segments.containing(i)?.index)
  return { inOrder, byPlace }
}

test('every block of the basic plane is cut as the system cuts it', () => {
  const segmenter = new Segmenter()
  for (let start = 0; start < 0x10000; start += BLOCK) {
    const codes = Array.from({ length: BLOCK }, (_, i) => start + i)
    // Each beside itself, its neighbours and a letter.
    const text = codes.map(code => String.fromCharCode(code, code, 0x61)).join('')
    expect(cut(segmenter, text)).toEqual(cut(intl, text))
  }
})

test.each(['', 'home  ssh', '\x1b[1m› open\x1b[0m', 'e\u0301', '👩‍👩‍👧', '\u2600\ufe0f', '한국'])(
  '%j',
  text => {
    expect(cut(new Segmenter(), text)).toEqual(cut(intl, text))
  },
)
