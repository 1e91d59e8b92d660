import type { Service } from '../../../server/src/core/directory.ts'

/** A service as a hook needs it: every part that has no meaning here is at its default. */
export const service = (name: string, own: Partial<Service> = {}): Service => ({
  name,
  ports: [],
  lifetime: 30,
  maxLifetime: 86_400,
  maxPrefix: { ipv4: 120, ipv6: 64 },
  factor: 'required',
  requireAddress: false,
  behindProxy: false,
  onExpiry: 'keep',
  destination: [],
  gate: undefined,
  exec: undefined,
  ...own,
})
