/**
 * Writes packets.json and replies.json. Deterministic: the same bytes whenever it runs, which a test
 * holds. From the project's root:
 *
 *   npx esbuild test/vectors/make.ts --bundle --platform=node --format=esm | node --input-type=module
 *   npx biome format --write test/vectors
 */
import { writeFileSync } from 'node:fs'
import { makePackets, makeReplies } from './build.ts'

for (const [name, file] of Object.entries({ packets: makePackets(), replies: makeReplies() })) {
  writeFileSync(`test/vectors/${name}.json`, `${JSON.stringify(file, undefined, 2)}\n`)
  console.log(`test/vectors/${name}.json: ${file.vectors.length} vectors`)
}
