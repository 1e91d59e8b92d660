/** Digits that are read from across the room: five lines of blocks, each two columns wide. */
const GLYPHS: Readonly<Record<string, readonly string[]>> = {
  '0': ['███', '█ █', '█ █', '█ █', '███'],
  '1': [' █ ', '██ ', ' █ ', ' █ ', '███'],
  '2': ['███', '  █', '███', '█  ', '███'],
  '3': ['███', '  █', '███', '  █', '███'],
  '4': ['█ █', '█ █', '███', '  █', '  █'],
  '5': ['███', '█  ', '███', '  █', '███'],
  '6': ['███', '█  ', '███', '█ █', '███'],
  '7': ['███', '  █', '  █', '  █', '  █'],
  '8': ['███', '█ █', '███', '█ █', '███'],
  '9': ['███', '█ █', '███', '  █', '███'],
  ':': [' ', '█', ' ', '█', ' '],
}

export const BIG_ROWS = 5

/** Digits and colons only. */
export const big = (text: string, block: string): string =>
  Array.from({ length: BIG_ROWS }, (_, row) =>
    [...text].map(char => GLYPHS[char]?.[row] ?? '').join(' '),
  )
    .join('\n')
    .replaceAll(/[█ ]/g, dot => (dot === ' ' ? '  ' : block + block))
