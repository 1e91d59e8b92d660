/** Beyond two slips it is another word, and in a short one two slips are half of it. */
const slipsAllowed = (word: string): number => (word.length > 4 ? 2 : 1)

/** The one that was probably meant, or `undefined`. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  let fewest = slipsAllowed(word) + 1
  for (const candidate of known) {
    if (Math.abs(candidate.length - word.length) >= fewest) continue
    const slips = editDistance(word, candidate)
    if (slips < fewest) {
      best = candidate
      fewest = slips
    }
  }
  return best
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let slips = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + cost)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) slips = Math.min(slips, before[j - 2]! + 1)
      row.push(slips)
    }
    before = previous
    previous = row
  }
  return previous[b.length]!
}
