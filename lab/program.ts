/**
 * The program that the lab's machines run: Tinkernetes bundled into one file, as it is distributed. One file starts in half the
 * time of three hundred, and its types are stripped already.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { readDescriptions } from '#api/schema/descriptions.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Holds the bundles. */
export const distFolder = fileURLToPath(new URL('../dist', import.meta.url));
/** The program in one file, for a Node beside it. */
export const bundle = join(distFolder, 'tinker.mjs');
const machineBundle = join(distFolder, 'machine.mjs');

/**
 * Flags of Node for `tinker server`. With a young generation of 2 MiB, as agents have, moving objects of running requests into the old
 * generation took a fifth of the CPU time of requests. Unused memory is returned (`cli/memory-return.ts`).
 */
export const tinkerNodeFlags: readonly string[] = ['--max-semi-space-size=16'];

/** Flags of Node for `tinker agent`. Each node has one, and a small young generation keeps the idle process small. */
const agentNodeFlags: readonly string[] = ['--max-semi-space-size=2'];

/** The argv prefix of `tinker server`: this Node and the bundle. */
export const serverArgv = (): string[] => [process.execPath, '--no-warnings', ...tinkerNodeFlags, bundle, 'server'];

/** The argv prefix of `tinker agent`. */
export const agentArgv = (): string[] => [process.execPath, '--no-warnings', ...agentNodeFlags, bundle, 'agent'];

/** The argv prefix of a machine's first programs. They stay small: they have little to do. */
export const machineArgv = (): string[] => [process.execPath, '--no-warnings', '--max-semi-space-size=1', machineBundle];

/** Bundles cli/tinker.ts. Takes less than a second. */
export async function buildProgram(): Promise<void> {
  const options: BuildOptions = {
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    target: 'node26',
    legalComments: 'none',
    // Comments and white space would only take memory. Names stay, so that stack traces are readable.
    minifyWhitespace: true,
    logLevel: 'silent',
  };
  const embedded = await filesToEmbed(options);
  await build({
    ...options,
    entryPoints: ['cli/tinker.ts'],
    outfile: bundle,
    format: 'esm',
    plugins: [embedPlugin(embedded), withoutSsh],
    banner: requireBanner,
    // The lab needs the bundler and the sources, so it runs from the repository and is not part of the bundle.
    external: ['esbuild', './up.ts', './machines.ts'],
  });
  await build({ ...options, entryPoints: ['lab/machine/main.ts'], outfile: machineBundle, format: 'esm', banner: requireBanner });
}

/** CommonJS packages call `require` for Node's own modules. */
const requireBanner = { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" };

/** The content of api/embedded.ts in a bundled program. */
async function filesToEmbed(options: BuildOptions): Promise<Record<string, string>> {
  const worker = await build({ ...options, entryPoints: ['control/store/sqlite-worker.ts'], format: 'cjs', write: false });
  const decoder = await build({
    ...options,
    entryPoints: ['control/apiserver/decoding/decode-worker.ts'],
    format: 'cjs',
    write: false,
  });
  const protos = readdirSync(join(root, 'proto')).filter((name) => name.endsWith('.proto'));
  return {
    'control/store/sqlite-worker.ts': worker.outputFiles[0]?.text ?? '',
    'control/apiserver/decoding/decode-worker.ts': decoder.outputFiles[0]?.text ?? '',
    'descriptions.json': JSON.stringify(readDescriptions(join(root, 'node_modules/@kubernetes/client-node/dist/gen/models'))),
    ...Object.fromEntries(protos.map((name) => [`proto/${name}`, readFileSync(join(root, 'proto', name), 'utf8')])),
  };
}

function embedPlugin(files: Record<string, string>): Plugin {
  return {
    name: 'embedded-files',
    setup({ onLoad }) {
      onLoad({ filter: /\/api\/embedded\.ts$/ }, () => ({
        contents: `export const embeddedFiles = ${JSON.stringify(files)};`,
        loader: 'js',
      }));
    },
  };
}

/** dockerode can reach Docker over ssh. We use a socket, so ssh2 and its native parts are left out. */
const withoutSsh: Plugin = {
  name: 'without-ssh2',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^ssh2$/ }, ({ path }) => ({ path, namespace: 'absent' }));
    onLoad({ filter: /.*/, namespace: 'absent' }, () => ({ contents: 'module.exports = {};', loader: 'js' }));
  },
};
