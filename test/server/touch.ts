import { execFileSync } from 'node:child_process'
import type { LocalYubiKey } from '../../server/src/core/directory.ts'

export const hasYkgenerate = (() => {
  try {
    execFileSync('ykgenerate', ['--version'], { stdio: 'ignore' })
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'
  }
})()

/** An OTP as the vendor's own tool makes it. */
export function touch(
  { publicId, privateId, key }: Pick<LocalYubiKey, 'publicId' | 'privateId' | 'key'>,
  counter: number,
  use: number,
): string {
  const args = [key, privateId].map(bytes => Buffer.from(bytes).toString('hex'))
  const digits = (value: number, length: number) => value.toString(16).padStart(length, '0')
  const numbers = [digits(counter, 4), 'c0a8', '00', digits(use, 2)]
  const printed = execFileSync('ykgenerate', [...args, ...numbers], { encoding: 'utf8' })
  return publicId + printed.trim()
}
