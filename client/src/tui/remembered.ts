import { deviceOf, type Remembered, recallAll } from '../memory.ts'
import { listProfiles, loadProfile, profilesFolder } from '../profiles.ts'
import { prepareRuntime } from '../runtime.ts'
import type { Door } from './state.ts'

/** The doors that runs on this machine have opened, for the address that it still has. */
export async function rememberedDoors(now = Date.now()): Promise<readonly Door[]> {
  const runtime = prepareRuntime()
  const profiles = profilesFolder()
  const names = listProfiles(profiles)
  if (!runtime.ok || !names.ok) return []
  const doors = names.value.map(async name => {
    const profile = loadProfile(profiles, name)
    if (!profile.ok) return []
    const place = { folder: runtime.value, name, device: deviceOf(profile.value) }
    const open = recallAll(place).filter(({ madeAt, until }) => madeAt <= now && until > now)
    if (open.length === 0) return []
    const { isUnmoved } = await import('../whereabouts.ts')
    const isHere = await Promise.all(open.map(({ ways }) => isUnmoved(ways, profile.value.port)))
    return open.filter((_, i) => isHere[i]).map(door => shown(name, door))
  })
  return (await Promise.all(doors)).flat()
}

const shown = (
  target: string,
  { services, opened, admitted, madeAt, until }: Remembered,
): Door => ({
  ask: { target, services },
  opened: opened.split(' ').filter(name => name !== ''),
  admitted,
  lifetime: Math.max(1, Math.round((until - madeAt) / 1000)),
  until,
})
