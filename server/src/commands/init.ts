import { chmodSync, existsSync, mkdirSync, rmdirSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { basename, delimiter, dirname, join, resolve } from 'node:path'
import { DEFAULT_PORT } from '@oneknock/shared'
import { commandFor } from '../config/command.ts'
import { type Backend, DEFAULT_CONFIG_FILE, DEFAULT_STATE_FOLDER } from '../config/defaults.ts'
import { checkPrivateFolder } from '../config/files.ts'
import { formatEndpoint, parseEndpoint } from '../config/places.ts'
import { parseConfig, usersFolderOf } from '../config.ts'
import type { Endpoint } from '../core/directory.ts'
import { createFile, StoreError } from '../users/store.ts'
import { configFailure, Failure } from './failure.ts'
import { firstConfig } from './init-template.ts'
import { print, remark } from './output.ts'
import { becomeOwnerOf } from './owner.ts'

export interface InitOptions {
  readonly config: string
  readonly dir?: string
  readonly backend?: Backend
  readonly public?: string
}

/** Writes a configuration that works, and the folders it names. What exists is never touched. */
export async function init(options: InitOptions): Promise<number> {
  const file = options.dir === undefined ? options.config : join(resolve(options.dir), FILE_NAME)
  const folder = dirname(file)
  const state = file === DEFAULT_CONFIG_FILE ? DEFAULT_STATE_FOLDER : join(folder, 'state')
  const backend = options.backend ?? defaultBackend()
  const place = publicEndpoint(options)
  const { port } = place
  const text = firstConfig({ public: formatEndpoint(place), port, state, backend })
  const parsed = await parseConfig(file, text)
  if (!parsed.ok) throw configFailure(parsed.error)

  becomeOwnerOf(folder)
  if (existsSync(file)) throw alreadyThere(file)
  const made: string[] = []
  try {
    makeFolder(folder, 0o755, made)
    makeFolder(usersFolderOf(file), 0o700, made)
    makeFolder(state, 0o700, made)
    await createFile(file, text, 0o644)
  } catch (error) {
    for (const path of made.reverse()) rmdirSync(path)
    throw error instanceof StoreError && error.code === 'exists' ? alreadyThere(file) : error
  }
  const [service] = parsed.value.services.keys()
  print(`Wrote ${file} (firewall backend: ${backend}). Look it over, then:

  ${commandFor(file, 'check')}
  ${commandFor(file, `user add NAME --services ${service}`)}
  ${commandFor(file, 'run')}
`)
  if (options.public === undefined) {
    const { host } = parsed.value.public
    remark(`Invitations will say ${host}; if clients do not find it by that name, change "public".`)
  }
  return 0
}

const FILE_NAME = basename(DEFAULT_CONFIG_FILE)

const alreadyThere = (file: string): Failure =>
  new Failure(
    `${file} exists already, and was left as it is; to look for mistakes run: ${commandFor(file, 'check')}`,
  )

function publicEndpoint({ public: given }: InitOptions): Endpoint {
  const endpoint = parseEndpoint(given ?? hostname(), DEFAULT_PORT)
  if (endpoint) return endpoint
  const example = `--public gate.example.com:${DEFAULT_PORT}`
  if (given === undefined) throw new Failure(`say where clients send packets, such as: ${example}`)
  throw new Failure(`--public ${JSON.stringify(given)} is no host and port; write ${example}`)
}

/** nftables where it can be had; the gate needs no rights and nothing installed. */
function defaultBackend(): Backend {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  const root = process.geteuid?.() === 0
  return root && folders.some(folder => existsSync(join(folder, 'nft'))) ? 'nftables' : 'gate'
}

/** Notes each folder that it made, outermost first. One that was there must be closed to others, if this one is to be. */
function makeFolder(folder: string, mode: number, made: string[]): void {
  if (existsSync(folder)) {
    // Run as root, this is for the daemon of whoever owns what is there: see `becomeOwnerOf`.
    const owner = process.geteuid?.() === 0 ? statSync(folder).uid : undefined
    const untrusted =
      mode === 0o700 ? checkPrivateFolder(folder, owner === undefined ? {} : { owner }) : undefined
    if (untrusted) throw configFailure([untrusted])
    return
  }
  const parent = dirname(folder)
  if (parent !== folder) makeFolder(parent, 0o755, made)
  try {
    mkdirSync(folder, mode)
    made.push(folder)
    // Exactly this mode, whatever the umask says.
    chmodSync(folder, mode)
  } catch (error) {
    throw new Failure(`cannot make ${folder}: ${(error as Error).message}`)
  }
}
