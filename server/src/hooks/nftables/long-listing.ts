import type { Answer } from './answer.ts'
import { MEMORY, NamelessFile } from './nameless-file.ts'
import { runOnce } from './one-shot.ts'

/** Bytes for the first listing: some 10,000 elements, of which nobody knows yet. */
const FIRST_ROOM = 1024 * 1024
/** In bytes of the last listing: who is in may have become more by the next one, but seldom by half. */
const ROOM = 1.5
/** Bytes for what is hardly anything. */
const ROOM_MIN = 64 * 1024

/**
 * Listings with all elements, by way of a file. nft writes each word by itself, ten for an element:
 * over a pipe 5,000 elements were seen to wake this process 5,000 to 11,000 times, which took it 100 ms
 * of a processor. What is in a file is read at once.
 */
export class LongListing {
  readonly #program: string
  readonly #flags: readonly string[]
  readonly #folder: string
  #room = FIRST_ROOM

  constructor(program: string, flags: readonly string[], folder = MEMORY) {
    this.#program = program
    this.#flags = flags
    this.#folder = folder
  }

  /** Over a pipe after all where no file can be had, or one was too small. */
  async ask(command: string, limitMs: number): Promise<Answer> {
    const answer =
      (await this.#byFile(command, limitMs)) ??
      (await runOnce(this.#program, command, limitMs, this.#flags))
    if (answer.kind === 'done') this.#room = Math.max(answer.output.length * ROOM, ROOM_MIN)
    return answer
  }

  async #byFile(command: string, limitMs: number): Promise<Answer | undefined> {
    const file = NamelessFile.open(this.#folder, this.#room)
    if (!file) return undefined
    try {
      const answer = await runOnce(this.#program, command, limitMs, this.#flags, file.descriptor)
      if (answer.kind !== 'done') return answer
      const output = file.read()
      return output === undefined ? undefined : { kind: 'done', output }
    } finally {
      file.close()
    }
  }
}
