import { expect, it } from 'vitest'
import { type ReloadParts, reload } from '../../server/src/compose/reload.ts'
import type { Settings } from '../../server/src/compose/settings.ts'
import { HookError, type LivingHook } from '../../server/src/hooks/hook.ts'
import { makeDoor, settings } from './listeners/http.ts'

const configured = (services: readonly string[]): Settings =>
  ({
    config: {
      ...{ listen: [], firewall: { allow: [] }, services: new Map(), metricsAt: undefined },
      http: settings(8975, { services }),
    },
    directory: { users: new Map() },
  }) as unknown as Settings

it('what the HTTP door may open changes when all has been taken up, and not before', async () => {
  const before = configured([])
  const current = { ...before }
  const { listener: http } = await makeDoor({ settings: { services: [] } })
  const meanwhile: unknown[] = []
  let isFit = true
  const hook = {
    configure: async () => {
      meanwhile.push(http.plan?.settings.services)
      if (!isFit) throw new HookError('none', 'failed', 'it does not like that')
    },
  } as unknown as LivingHook
  const parts = {
    ...{ current, http, hooks: [hook], record: async () => true, log: { error: () => {} } },
    listener: { listen: async () => {} },
    radius: { plan: undefined, configure: async () => {} },
    keyring: { assign: () => {} },
    gatekeeper: { revise: async () => {}, agree: async () => {} },
  } as unknown as ReloadParts

  isFit = false
  expect(await reload(parts, configured(['wiki']))).toMatchObject({ ok: false })
  expect(http.plan?.settings.services).toEqual([])
  isFit = true
  expect(await reload(parts, configured(['wiki']))).toMatchObject({ ok: true })
  expect(http.plan?.settings.services).toEqual(['wiki'])
  expect(meanwhile).toEqual([[], []])
})
