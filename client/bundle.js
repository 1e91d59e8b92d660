// Bundles a plain knock into one file, all the commands into another, and the TUI into a third; a small
// one loads them. All are CommonJS: Node starts that some 10 ms sooner than modules, what is imported when
// it is needed is evaluated only then, and V8's compiled code of it can be kept (src/code-cache.ts).
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = dirname(fileURLToPath(import.meta.url))
const out = join(here, 'dist', 'bin')
const { version } = JSON.parse(await readFile(join(here, 'package.json'), 'utf8'))

/** Packages that come without a licence's text say this at the head of their sources. */
const WITHOUT_FILE = {
  'yoga-layout':
    'yoga-layout\n\nCopyright (c) Meta Platforms, Inc. and affiliates.\nMIT License, in the words of those above.\n',
}

/** Brings all of Node's cryptography with it, for a code that few have made here. */
const authenticatorApart = {
  name: 'the authenticator apart',
  setup({ onResolve }) {
    const external = { path: './stored-secret.js', external: true }
    onResolve({ filter: /\/stored-secret\.ts$/ }, ({ kind }) =>
      kind === 'entry-point' ? undefined : external,
    )
  },
}
/** What Node puts around a CommonJS file as it loads it. Here it is in the file: src/code-cache.ts. */
const inFunction = {
  banner: { js: '(function (exports, require, module, __filename, __dirname) {' },
  footer: { js: '})' },
}
const common = {
  absWorkingDir: here,
  outdir: out,
  bundle: true,
  platform: 'node',
  format: 'cjs',
  // `require` instead: Node's loader of modules takes a quarter of all that a knock does.
  supported: { 'dynamic-import': false },
  plugins: [authenticatorApart],
  assetNames: '[name]',
  target: 'node20.19',
  minify: true,
  legalComments: 'none',
  metafile: true,
}

/** Ink draws nothing where CI is set, and waits for a debugger where DEV is: not on a person's terminal. */
const withoutModes = {
  name: 'Ink without CI and DEV',
  setup({ onLoad }) {
    const replace = (filter, contents) => onLoad({ filter }, () => ({ contents }))
    replace(/\/is-in-ci\/index\.js$/, 'export default false')
    replace(/\/ink\/build\/utils\.js$/, 'export const isDev = () => false')
    // A screen that is left before anybody could read it.
    replace(/\/ink\/build\/components\/ErrorOverview\.js$/, 'export default () => null')
    edit(onLoad, /\/ink\/build\/reconciler\.js$/, [
      [/await import\('\.\/devtools\.js'\)/, 'undefined'],
      [/await loadPackageJson\(\)/, 'undefined'],
      [/async function loadPackageJson\(\) \{[^}]+\}/, ''],
    ])
  },
}
/**
 * Ink's layout engine has its WebAssembly as text of its own making, and is waited for at the top level.
 * Here it comes as a file, and is there at once: it is small.
 */
const layoutAtOnce = {
  name: 'Yoga at once',
  setup({ onLoad, onResolve }) {
    const glue = /\/yoga-wasm-base64-esm\.js$/
    const bytes = /data:application\/octet-stream;base64,([\w+/=]+)/
    edit(onLoad, /\/yoga-layout\/dist\/src\/index\.js$/, [
      [
        /^/,
        `import wasm from 'yoga.wasm';\nimport { readFileSync } from 'node:fs';\n${instantiateAtOnce};\n`,
      ],
      [/await loadYoga\(\)/, "instantiateAtOnce(loadYoga, readFileSync(__dirname + '/' + wasm))"],
    ])
    edit(onLoad, glue, [
      [bytes, ''],
      [/import\.meta\.url/, 'undefined'],
    ])
    onResolve({ filter: /^yoga\.wasm$/ }, ({ importer }) => ({
      path: join(dirname(importer), '..', 'binaries', 'yoga.wasm'),
      namespace: 'yoga.wasm',
    }))
    onLoad({ filter: /^/, namespace: 'yoga.wasm' }, async ({ path }) => {
      const text = await readFile(join(dirname(path), 'yoga-wasm-base64-esm.js'), 'utf8')
      const [, base64] = bytes.exec(text)
      return { contents: Buffer.from(base64, 'base64'), loader: 'file' }
    })
  },
}

/** Goes into the bundle. */
function instantiateAtOnce(load, wasm) {
  const yoga = {
    instantiateWasm(imports, done) {
      const instance = new WebAssembly.Instance(new WebAssembly.Module(wasm), imports)
      done(instance)
      return instance.exports
    },
  }
  load(yoga)
  return yoga
}

/** Replaces what is there once, and says so if a new version has it no more. */
function edit(onLoad, filter, changes) {
  onLoad({ filter, namespace: 'file' }, async ({ path }) => {
    let contents = await readFile(path, 'utf8')
    for (const [from, to] of changes) {
      if (!from.test(contents)) throw new Error(`${path} has no ${from}`)
      contents = contents.replace(from, to)
    }
    return { contents }
  })
}

// An earlier build may have left other files.
await rm(out, { recursive: true, force: true })
await mkdir(out, { recursive: true })
const bundles = await Promise.all([
  build({
    ...common,
    entryPoints: { oneknock: 'src/main.ts', 'stored-secret': 'src/stored-secret.ts' },
  }),
  build({
    ...common,
    ...inFunction,
    entryPoints: { knock: 'src/plain-program.ts' },
  }),
  build({
    ...common,
    ...inFunction,
    entryPoints: { commands: 'src/program.ts' },
    define: { ONEKNOCK_VERSION: JSON.stringify(version) },
  }),
  build({
    ...common,
    ...inFunction,
    entryPoints: { tui: 'src/tui-program.ts' },
    alias: {
      'string-width': join(here, 'src', 'tui', 'columns.ts'),
      // All that is used of it.
      '@inkjs/ui': fileURLToPath(
        new URL('components/spinner/use-spinner.js', import.meta.resolve('@inkjs/ui')),
      ),
    },
    inject: [join(here, 'src', 'tui', 'graphemes.ts')],
    define: { 'process.env.NODE_ENV': '"production"', 'Intl.Segmenter': 'Segmenter' },
    plugins: [authenticatorApart, withoutModes, layoutAtOnce],
  }),
])
await writeFile(join(out, 'package.json'), '{ "type": "commonjs" }\n')
await chmod(join(out, 'oneknock.js'), 0o755)
await writeFile(join(out, 'LICENSES.txt'), await licences(bundles.flatMap(bundled)))

// From the definitions as they were compiled: `tsc -b` comes first.
const { manualPage } = await import('./dist/manual.js')
await mkdir(join(here, 'dist', 'man'), { recursive: true })
await writeFile(join(here, 'dist', 'man', 'oneknock.1'), manualPage(version))

/** The files of which something is left in the bundle. */
function bundled({ metafile }) {
  return Object.values(metafile.outputs)
    .flatMap(({ inputs }) => Object.entries(inputs))
    .flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? path : []))
}

/** What the packages in the bundle ask to be passed on with it. */
async function licences(paths) {
  const folders = paths.flatMap(path => /^[^:]*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? [])
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
