/**
 * Cuts a text into what people see as its characters. Stands in the bundle for `Intl.Segmenter`, whose
 * tables take 10 ms to load: what this program draws needs them only for some words of the system.
 */
export class Segmenter {
  segment(text: string): Segments {
    if (SINGLE.test(text)) return singles(text)
    // By this name the bundler leaves it what it is.
    all ??= new globalThis.Intl.Segmenter(undefined, { granularity: 'grapheme' })
    return all.segment(text)
  }
}

type Segment = Pick<Intl.SegmentData, 'segment' | 'index'>

interface Segments extends Iterable<Segment> {
  containing(index?: number): Segment | undefined
}

let all: Intl.Segmenter | undefined

/** Blocks of which each character stands for itself, whatever is beside it (UAX #29). */
const SINGLE = /^[\x1b -~\xa1-\xac\xae-\u02ff\u2010-\u2027\u2030-\u205e\u2190-\u2bff]*$/

function singles(text: string): Segments {
  const containing = (index = 0): Segment | undefined => {
    const segment = text[index]
    return segment === undefined ? undefined : { segment, index }
  }
  return {
    containing,
    *[Symbol.iterator]() {
      for (let index = 0; index < text.length; index++) yield containing(index)!
    },
  }
}
