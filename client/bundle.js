// Bundles the command into one file. As CommonJS: Node starts that some 10 ms sooner than modules, and
// what a command imports when it runs, Node's own parts too, is evaluated only then.
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = dirname(fileURLToPath(import.meta.url))
const out = join(here, 'dist', 'bin')
const { version } = JSON.parse(await readFile(join(here, 'package.json'), 'utf8'))

await mkdir(out, { recursive: true })
const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: { oneknock: 'src/main.ts' },
  outdir: out,
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  format: 'cjs',
  minify: true,
  legalComments: 'none',
  metafile: true,
  define: { ONEKNOCK_VERSION: JSON.stringify(version) },
})
await writeFile(join(out, 'package.json'), '{ "type": "commonjs" }\n')
await chmod(join(out, 'oneknock.js'), 0o755)
await writeFile(join(out, 'LICENSES.txt'), await licences(bundled(metafile)))

/** The files of which something is left in the bundle. */
function bundled({ outputs }) {
  return Object.values(outputs)
    .flatMap(({ inputs }) => Object.entries(inputs))
    .flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? path : []))
}

/** What the packages in the bundle ask to be passed on with it. */
async function licences(paths) {
  const folders = paths.flatMap(path => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? [])
  const texts = [...new Set(folders)].sort().map(async folder => {
    const file = (await readdir(join(here, folder))).find(name => /^licen[cs]e/i.test(name))
    if (!file) throw new Error(`${folder} has no licence to pass on`)
    const text = await readFile(join(here, folder, file), 'utf8')
    return `${folder.replace(/^.*node_modules\//, '')}\n\n${text.trim()}\n`
  })
  return (await Promise.all(texts)).join('\n\n')
}
