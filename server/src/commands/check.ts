import { secretErrors } from '../compose/secret-files.ts'
import { readCertificate } from '../config/certificate.ts'
import { checkPrivateFolder } from '../config/files.ts'
import { forwarding } from '../doctor/forwarding.ts'
import { loadDirectory } from '../users.ts'
import { configFailure } from './failure.ts'
import { count, print, remark } from './output.ts'
import { openSettings } from './settings.ts'

export interface CheckOptions {
  readonly config: string
}

/** Says everything that is wrong with the configuration and the users, or what there is. */
export async function check(options: CheckOptions): Promise<number> {
  const config = await openSettings(options.config)
  const directory = await loadDirectory(config)
  // The daemon makes its state folder itself; one that is there already must be fit for it.
  const state = checkPrivateFolder(config.state, {
    groupPasses: config.adminGroup !== undefined,
  })
  const unfit = state && state.code !== 'absent' ? [state] : []
  const certificate = config.http?.tls && readCertificate(config.http.tls)
  if (certificate?.ok === false) unfit.push(certificate.error)
  unfit.push(...secretErrors(config))
  if (!directory.ok) throw configFailure([...directory.error, ...unfit])
  if (unfit.length > 0) throw configFailure(unfit)
  for (const { state, found, remedy } of forwarding(config.services.values())) {
    if (state !== 'fine') remark(`${found}; ${remedy}`)
  }
  const users = [...directory.value.users.values()]
  const devices = users.reduce((sum, user) => sum + user.devices.length, 0)
  const services = count(config.services.size, 'service')
  const people = `${count(users.length, 'user')}, ${count(devices, 'device')}`
  print(`${config.file} is right: ${services}, ${people}\n`)
  return 0
}
