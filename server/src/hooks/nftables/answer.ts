/** What became of one line given to nft. */
export type Answer =
  | { readonly kind: 'done'; readonly output: string }
  /** Nothing was changed: a line is one transaction. */
  | { readonly kind: 'refused'; readonly message: string }
  /** It may have been carried out, or not. */
  | { readonly kind: 'timeout' }
  /** No process, or no longer one. It may have been carried out, or not. */
  | { readonly kind: 'gone'; readonly message: string }

/** nft quotes the line it was given and points into it: its first line says all. */
export function firstLine(stderr: string): string {
  const [line = ''] = stderr.trim().split('\n')
  return line.replace(/^(.*?: )?Error: /, '') || 'nft failed without a word'
}
