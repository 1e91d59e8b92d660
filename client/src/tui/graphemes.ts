/**
 * Cuts a text into what people see as its characters. Stands in the bundle for `Intl.Segmenter`, whose
 * tables take 10 ms to load: what this program draws needs them only for some words of the system.
 */
export class Segmenter {
  *segment(text: string): Iterable<Pick<Intl.SegmentData, 'segment' | 'index'>> {
    if (SINGLE.test(text)) {
      for (let index = 0; index < text.length; index++) yield { segment: text[index]!, index }
      return
    }
    // By this name the bundler leaves it what it is.
    all ??= new globalThis.Intl.Segmenter(undefined, { granularity: 'grapheme' })
    yield* all.segment(text)
  }
}

let all: Intl.Segmenter | undefined

/** Blocks of which each character stands for itself, whatever is beside it (UAX #29). */
const SINGLE = /^[\x1b -~\xa1-\xac\xae-\u02ff\u2010-\u2027\u2030-\u205e\u2190-\u2bff]*$/
