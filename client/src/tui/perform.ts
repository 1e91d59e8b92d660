import { parseInvitation } from '@oneknock/shared'
import { REACH } from '../asking.ts'
import { type CodeSource, codeSource } from '../codes.ts'
import { whyNoInvitation } from '../invitation.ts'
import type { Knocker } from '../knocker.ts'
import type { Profile } from '../profile.ts'
import { loadProfile, profilesFolder, saveProfile } from '../profiles.ts'
import { type Unlocked, unlock, unlockedAlready } from '../unlocking.ts'
import { givesCodes, readProfiles } from './profiles.ts'
import type { Happening, Perform } from './session.ts'
import type { Code, Note, Work } from './state.ts'

/** What the work needs of the terminal that the session is drawn on. */
export interface Terminal {
  /** Hands the terminal to a program that may ask something on it. */
  lend<T>(use: () => Promise<T>): Promise<T>
  /** Runs a command line as if it had been typed before the session, and waits for its end. */
  run(command: string): Promise<Note>
  /** Stops this process, as ^Z does others, until the shell lets it go on. */
  suspend(): Promise<void>
  copy(text: string): void
}

type Tell = (happening: Happening) => void
type KnockWork = Extract<Work, { kind: 'knock' }>
type UnlockWork = Extract<Work, { kind: 'unlock' }>
type Opened = Map<string, Unlocked>
type AddWork = Extract<Work, { kind: 'add' }>

export function performOn(terminal: Terminal): Perform {
  /** What passphrases have opened: it stays until the session ends. */
  const unlocked: Opened = new Map()
  return async (work, signal, tell) => {
    switch (work.kind) {
      case 'knock':
        return knockFor(work, signal, { terminal, unlocked, tell })
      case 'unlock':
        return tell(await open(work, unlocked))
      case 'add':
        return tell(add(work))
      case 'copy':
        terminal.copy(work.text)
        return tell(
          done(work, { text: 'copied, if the terminal lets programs do so', mood: 'good' }),
        )
      case 'run':
        tell(done(work, await terminal.run(work.command)))
        return tell(await recall())
      case 'suspend':
        await terminal.suspend()
        tell(done(work))
        return tell(await recall())
    }
  }
}

/** What other runs opened, so that it is seen here, and can be closed. */
export async function recall(): Promise<Happening> {
  const { rememberedDoors } = await import('./remembered.ts')
  return { type: 'recalled', doors: await rememberedDoors() }
}

interface Means {
  readonly terminal: Terminal
  readonly unlocked: Opened
  readonly tell: Tell
}

const done = ({ id }: Work, note?: Note): Happening => ({ type: 'done', work: id, note })

/** The key stays here: it is read for each knock, and never a part of the state. */
async function knockFor(
  { id, ask, verb, services, code }: KnockWork,
  signal: AbortSignal,
  { terminal, unlocked, tell }: Means,
): Promise<void> {
  const unable = ({ message }: { readonly message: string }) =>
    tell({ type: 'unable', work: id, problem: message })
  const loaded = loadProfile(profilesFolder(), ask.target)
  if (!loaded.ok) return unable(loaded.error)
  const profile = unlockedAlready(loaded.value) ?? unlocked.get(ask.target)
  if (!profile) return unable({ message: `the key of ${ask.target} has been locked since` })
  const { address } = profile
  const { closeOnce, knockOnce } = await import('../knocker.ts')
  const knocker: Knocker = {
    name: ask.target,
    profile,
    options: { services, signal, ...(address && { address }) },
    source: sourceOf(code, profile),
    reach: { ...REACH, lend: use => terminal.lend(use) },
    on: event => tell({ type: 'heard', work: id, event }),
  }
  if (verb === 'close') {
    return tell({ type: 'knocked', work: id, result: await closeOnce(knocker) })
  }
  const result = await knockOnce(knocker)
  if (!result.ok) return unable(result.error)
  tell({ type: 'knocked', work: id, result: result.value })
}

const sourceOf = (code: Code, profile: Unlocked): CodeSource =>
  code.kind === 'own' ? codeSource({}, profile) : code

async function open({ id, target, passphrase }: UnlockWork, unlocked: Opened): Promise<Happening> {
  const locked = (problem: string): Happening => ({ type: 'still-locked', work: id, problem })
  const loaded = loadProfile(profilesFolder(), target)
  if (!loaded.ok) return locked(loaded.error.message)
  const opened = await unlock(loaded.value, passphrase)
  if (!opened.ok) return locked('this passphrase does not open it; try again')
  unlocked.set(target, opened.value)
  return { type: 'unlocked', work: id, target, givesCodes: givesCodes(opened.value) }
}

function add({ id, invitation: text, name }: AddWork): Happening {
  const unadded = (problem: string): Happening => ({ type: 'unadded', work: id, problem })
  const invitation = parseInvitation(text)
  if (!invitation.ok) return unadded(whyNoInvitation(invitation.error))
  const { key, name: _proposed, ...rest } = invitation.value
  const profile: Profile = { ...rest, key: { kind: 'plain', bytes: key } }
  const saved = saveProfile(profilesFolder(), name, profile)
  if (!saved.ok) return unadded(saved.error.message)
  return { type: 'added', work: id, name, profiles: readProfiles() }
}
