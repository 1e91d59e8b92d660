import { run } from '../guard/program.ts'
import { type Answer, firstLine } from './answer.ts'

/**
 * One line, one process: slower, and works with every build of nft. What it prints comes back,
 * unless there is a descriptor for it to go to.
 */
export async function runOnce(
  program: string,
  line: string,
  limitMs: number,
  flags: readonly string[] = [],
  output?: number,
): Promise<Answer> {
  const ran = await run(program, [...flags, '-f', '-'], limitMs, `${line}\n`, output)
  if (ran.kind !== 'ended') return ran
  if (ran.status === 0 && !ran.stderr) return { kind: 'done', output: ran.stdout }
  return { kind: 'refused', message: firstLine(ran.stderr) }
}
