import { spawnSync } from 'node:child_process'
import type { Flood } from '../flood.ts'
import { type Child, startChild } from './children.ts'
import { hasProgram } from './machine.ts'

/**
 * Node alone sends some 200,000 packets a second, fewer than it can receive. A socket with UDP_SEGMENT
 * sends as many as any receiver can bear, but Node has no way to set that option: a line of Perl does,
 * and becomes the sender.
 */
const SEGMENTING = `
  use Socket; use Fcntl;
  socket(S, PF_INET, SOCK_DGRAM, 0) or exit 1;
  setsockopt(S, 17, 103, pack("i", 256)) or exit 1;
  fcntl(S, F_SETFD, 0) or exit 1;
  $ENV{FLOOD_FD} = fileno(S);
  exec @ARGV;`

export interface FloodOptions {
  readonly through?: readonly string[]
  readonly segmented?: boolean
  /** The address that it comes from, where the kernel's choice is also that of others. */
  readonly from?: string
}

export async function startFlood({
  through = [],
  segmented = true,
  from,
}: FloodOptions = {}): Promise<Child<Flood>> {
  const segmenting = segmented && canSegment() ? ['perl', '-e', SEGMENTING] : []
  return startChild<Flood>('flood', {
    side: 'sender',
    through: [...through, ...segmenting],
    arguments: from === undefined ? [] : [from],
  })
}

let segments: boolean | undefined

function canSegment(): boolean {
  segments ??= hasProgram('perl') && spawnSync('perl', ['-e', SEGMENTING, 'true'], {}).status === 0
  return segments
}
