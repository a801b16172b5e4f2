/**
 * What runs needs only the dependencies of package.json, none of its devDependencies: `npm ci --omit=dev` gives a program that is whole.
 * esbuild walks the imports of everything that is started, in the sources as they are; type imports vanish, as they do at run time.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Whatever a user starts (`bin/tinker`, `npm run up`, `npm run build`), and the threads that are started by path. */
const entryPoints = [
  'cli/tinker.ts',
  'deploy/build.ts',
  ...globSync('{api,client,control,agent,cli,lab}/**/*-worker.ts', { cwd: root }),
].sort();
const { dependencies, devDependencies, optionalDependencies } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
) as Record<'dependencies' | 'devDependencies' | 'optionalDependencies', Record<string, string>>;

/** `@scope/name/deep/file.js` → `@scope/name`. */
const packageOf = (path: string): string => path.split('/', path.startsWith('@') ? 2 : 1).join('/');

/** What the program is made of: its own files, and each package with the files that import it. */
async function walk(): Promise<{ files: string[]; packages: Map<string, string[]> }> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node26',
    packages: 'external',
    metafile: true,
    write: false,
    outdir: 'unused',
    logLevel: 'silent',
  });
  const packages = new Map<string, string[]>();
  for (const [file, { imports }] of Object.entries(metafile.inputs)) {
    for (const { path, external } of imports) {
      if (external !== true || isBuiltin(path)) continue;
      const name = packageOf(path);
      packages.set(name, [...(packages.get(name) ?? []), file]);
    }
  }
  return { files: Object.keys(metafile.inputs), packages };
}

describe('the program without development dependencies', async () => {
  const { files, packages } = await walk();

  it('is walked through: control plane, agent, threads, lab and build', () => {
    for (const file of ['control/server.ts', 'agent/agent.ts', 'control/store/sqlite-worker.ts', 'lab/up.ts', 'lab/program.ts'])
      assert.ok(files.includes(file), file);
    assert.ok(files.length > 500, `${files.length} files`);
  });

  it('imports only dependencies', () => {
    for (const [name, from] of packages)
      assert.ok(Object.hasOwn(dependencies, name), `${name}, imported by ${from.join(', ')}, is no dependency in package.json`);
  });

  it('names no other package in a path below node_modules that it reads', () => {
    let found = 0;
    for (const file of files) {
      for (const [, path = ''] of readFileSync(join(root, file), 'utf8').matchAll(
        /['"`][^'"`\s]*node_modules\/((?:@[\w.-]+\/)?[\w.-]+)/g,
      )) {
        found += 1;
        assert.ok(!Object.hasOwn(devDependencies, path), `${file} reads a file of ${path}, a development dependency`);
        assert.ok(path.startsWith('.') || Object.hasOwn({ ...dependencies, ...optionalDependencies }, path), `${file}: ${path}`);
      }
    }
    assert.ok(found > 0, 'the descriptions of the API are read from a package');
  });

  it('needs each of its dependencies', () => {
    const read = files.map((file) => readFileSync(join(root, file), 'utf8')).join('\n');
    for (const name of Object.keys(dependencies))
      assert.ok(packages.has(name) || read.includes(name), `nothing that runs uses ${name}`);
  });
});
