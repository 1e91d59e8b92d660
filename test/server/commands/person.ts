import { Terminal } from '../../terminal.ts'
import { MAIN } from './cli.ts'
import type { Site } from './site.ts'

/** An administrator at a terminal, who runs one command. */
export class Person extends Terminal {
  constructor(s: Pick<Site, 'config'>, command: string) {
    const env = { PATH: process.env.PATH, NODE: process.execPath, MAIN, CONFIG: s.config }
    super(`"$NODE" "$MAIN" --config "$CONFIG" ${command}; echo "status=$?"`, env)
  }
}
