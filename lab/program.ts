/**
 * The program that the lab's machines run: all of Tinkernetes bundled into one file, as it is distributed. One file starts in
 * half the time of three hundred, and needs no type stripping in memory.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const bundle = fileURLToPath(new URL('../dist/tinker.mjs', import.meta.url));

/** How to call `tinker`: this Node and the bundle. */
export function tinkerArgv(): string[] {
  return [process.execPath, '--no-warnings', '--enable-source-maps', bundle];
}

/** Bundles cli/tinker.ts; takes less than a second. */
export async function buildProgram(): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: { tinker: 'cli/tinker.ts', 'sqlite-worker': 'control/store/sqlite-worker.ts' },
    outdir: 'dist',
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    target: 'node26',
    format: 'esm',
    sourcemap: true,
    legalComments: 'none',
    // Packages that are only CommonJS call require for Node's own modules.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    external: ['esbuild', 'cpu-features', 'ssh2'],
    logLevel: 'silent',
  });
  if (!existsSync(bundle)) throw new Error(`esbuild wrote no ${bundle}`);
}
