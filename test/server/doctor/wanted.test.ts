import { expect, it } from 'vitest'
import { parseConfig } from '../../../server/src/config.ts'
import { wantedOf } from '../../../server/src/doctor/wanted.ts'

const CLIENT = '[radius.clients.vpn]\naddress = "192.0.2.1"\nsecret_env = "S"\nmode = "code"\n'

it('knows of each door that other firewalls must let pass, but for those on loopback', async () => {
  const config = await parseConfig(
    '/etc/oneknock/oneknockd.toml',
    `public = "gate.example.com"
[http]\nlisten = ["127.0.0.1:8975", "[::]:8976"]
[radius]\nlisten = ["127.0.0.1:1812", "192.0.2.20:1813"]\n${CLIENT}
[services.web]\ngate = { listen = "0.0.0.0:8443", forward = "127.0.0.1:443" }`,
  )
  const wanted = config.ok ? wantedOf(config.value) : expect.fail(JSON.stringify(config.error))
  expect(wanted.map(({ what }) => what)).toEqual([
    'knocks at udp/62201',
    'the HTTP door at tcp/8976',
    'the RADIUS door at udp/1813',
    'the gate of web at tcp/8443',
  ])
})
