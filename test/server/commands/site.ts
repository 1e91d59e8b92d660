import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { scratch, write } from '../config/scratch.ts'
import { type CliOptions, type Outcome, oneknockd } from './cli.ts'

const CONFIG = `public = "gate.example.com"
state = "state"

[services.web]
gate = { listen = "127.0.0.1:8443", forward = "127.0.0.1:443" }

[services.wiki]
gate = { listen = "127.0.0.1:8444", forward = "127.0.0.1:444" }
`

/** A configuration with two services, and the program run on it. */
export interface Site {
  readonly folder: string
  readonly config: string
  readonly users: string
  readonly state: string
  readonly userFile: (name: string) => string
  readonly run: (args: readonly string[], options?: CliOptions) => Promise<Outcome>
}

export function site(): Site {
  const folder = scratch()
  const config = write(join(folder, 'oneknockd.toml'), CONFIG)
  const users = join(folder, 'users')
  const state = join(folder, 'state')
  for (const path of [users, state]) mkdirSync(path, { mode: 0o700 })
  return {
    folder,
    config,
    users,
    state,
    userFile: name => join(users, `${name}.toml`),
    run: (args, options) => oneknockd(['--config', config, ...args], options),
  }
}
