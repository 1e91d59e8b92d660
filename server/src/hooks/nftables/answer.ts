import { HookError } from '../hook.ts'

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

export function errorOf(answer: Exclude<Answer, { kind: 'done' }>): HookError {
  switch (answer.kind) {
    case 'refused':
      return refusal(answer.message)
    case 'timeout':
      return failure('timeout', 'nft did not answer in time and was ended')
    case 'gone':
      return failure('unavailable', `nft does not run: ${answer.message}`)
  }
}

function refusal(message: string): HookError {
  if (!message.includes('Operation not permitted')) return failure('failed', `nft: ${message}`)
  const line = 'nft may not see or change the firewall: run as root, or with CAP_NET_ADMIN'
  return failure('unavailable', line)
}

const failure = (code: HookError['code'], message: string): HookError =>
  new HookError('nftables', code, message)
