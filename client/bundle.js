// Bundles a plain knock into one file, all the commands into another, and the TUI into others that only
// it loads. Commands are CommonJS: Node starts that some 10 ms sooner than modules, and what a command
// imports when it runs, Node's own parts too, is evaluated only then. The TUI is modules, since Ink
// awaits at its top level.
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = dirname(fileURLToPath(import.meta.url))
const out = join(here, 'dist', 'bin')
const { version } = JSON.parse(await readFile(join(here, 'package.json'), 'utf8'))

const common = {
  absWorkingDir: here,
  outdir: out,
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  minify: true,
  legalComments: 'none',
  metafile: true,
}

/** Packages that come without a licence's text say this at the head of their sources. */
const WITHOUT_FILE = {
  'yoga-layout':
    'yoga-layout\n\nCopyright (c) Meta Platforms, Inc. and affiliates.\nMIT License, in the words of those above.\n',
}

/** What few knocks need, and would only have to be read: in files of their own. */
const apart = {
  name: 'the commands, the TUI and the authenticator apart',
  setup({ onResolve }) {
    const external = path => () => ({ path, external: true })
    onResolve({ filter: /^\.\/plain-program\.ts$/ }, external('./knock.js'))
    onResolve({ filter: /^\.\/program\.ts$/ }, external('./commands.js'))
    onResolve({ filter: /\/tui\/start\.tsx$/ }, external('./tui.mjs'))
    onResolve({ filter: /\/stored-secret\.ts$/ }, external('./stored-secret.js'))
  },
}
/** Ink draws nothing where CI is set, and waits for a debugger where DEV is: not on a person's terminal. */
const withoutModes = {
  name: 'Ink without CI and DEV',
  setup({ onLoad }) {
    const replace = (filter, contents) => onLoad({ filter }, () => ({ contents }))
    replace(/\/is-in-ci\/index\.js$/, 'export default false')
    replace(/\/ink\/build\/utils\.js$/, 'export const isDev = () => false')
    replace(/\/ink\/build\/devtools\.js$/, '')
  },
}

await mkdir(out, { recursive: true })
const bundles = await Promise.all([
  build({
    ...common,
    entryPoints: { oneknock: 'src/main.ts', knock: 'src/plain-program.ts' },
    format: 'cjs',
    plugins: [apart],
    // `require` instead: Node's loader of modules takes a quarter of all that a knock does.
    supported: { 'dynamic-import': false },
  }),
  build({
    ...common,
    entryPoints: { commands: 'src/program.ts' },
    format: 'cjs',
    define: { ONEKNOCK_VERSION: JSON.stringify(version) },
    plugins: [apart],
  }),
  build({ ...common, entryPoints: { 'stored-secret': 'src/stored-secret.ts' }, format: 'cjs' }),
  build({
    ...common,
    entryPoints: { tui: 'src/tui/start.tsx' },
    format: 'esm',
    splitting: true,
    outExtension: { '.js': '.mjs' },
    chunkNames: 'tui-[name]-[hash]',
    alias: { 'string-width': join(here, 'src', 'tui', 'columns.ts') },
    define: {
      'process.env.NODE_ENV': '"production"',
      // The layout engine would fetch its own bytes from a data: URL, for which Node loads all of HTTP.
      fetch: 'undefined',
    },
    // Some of what Ink uses is CommonJS, and asks for Node's own parts by name.
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    plugins: [withoutModes],
  }),
])
await removeStale(bundles)
await writeFile(join(out, 'package.json'), '{ "type": "commonjs" }\n')
await chmod(join(out, 'oneknock.js'), 0o755)
await writeFile(join(out, 'LICENSES.txt'), await licences(bundles.flatMap(bundled)))

// From the definitions as they were compiled: `tsc -b` comes first.
const { manualPage } = await import('./dist/manual.js')
await mkdir(join(here, 'dist', 'man'), { recursive: true })
await writeFile(join(here, 'dist', 'man', 'oneknock.1'), manualPage(version))

/** What an earlier build has left: a part of the TUI is named by what is in it. */
async function removeStale(built) {
  const current = built
    .flatMap(({ metafile }) => Object.keys(metafile.outputs))
    .map(path => basename(path))
  const left = (await readdir(out)).filter(name => name.endsWith('.mjs') && !current.includes(name))
  await Promise.all(left.map(name => rm(join(out, name))))
}

/** The files of which something is left in the bundle. */
function bundled({ metafile }) {
  return Object.values(metafile.outputs)
    .flatMap(({ inputs }) => Object.entries(inputs))
    .flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? path : []))
}

/** What the packages in the bundle ask to be passed on with it. */
async function licences(paths) {
  const folders = paths.flatMap(path => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? [])
  const texts = [...new Set(folders)].sort().map(async folder => {
    const file = (await readdir(join(here, folder))).find(name => /^licen[cs]e/i.test(name))
    const said = WITHOUT_FILE[basename(folder)]
    if (!file && said) return said
    if (!file) throw new Error(`${folder} has no licence to pass on`)
    const text = await readFile(join(here, folder, file), 'utf8')
    return `${folder.replace(/^.*node_modules\//, '')}\n\n${text.trim()}\n`
  })
  return (await Promise.all(texts)).join('\n\n')
}
