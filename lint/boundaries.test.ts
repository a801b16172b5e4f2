import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The file of a sample, and a line that it must not contain. The lines have every form of an import. */
const refused: [file: string, line: string, why: RegExp][] = [
  ['api/bad.ts', "import { x } from '#client/clock.ts';", /api\/ imports nothing of ours/],
  ['api/bad.ts', "import { x } from '../client/deep/clock.ts';", /api\/ imports nothing of ours/],
  ['api/pod/bad.ts', "import { spawn } from 'node:child_process';", /only importer of child_process/],
  ['client/bad.ts', "import { x } from '#control/apiserver/registry/registry.ts';", /client\/ imports api\/ only/],
  ['client/bad.ts', "import type { X } from '#control/apiserver/registry/registry.ts';", /client\/ imports api\/ only/],
  ['client/bad.ts', "export { x } from '../agent/host/exec.ts';", /client\/ imports api\/ only/],
  ['client/bad.ts', "export * from '../agent/host/exec.ts';", /client\/ imports api\/ only/],
  ['client/bad.ts', "export const x = await import('../agent/host/exec.ts');", /client\/ imports api\/ only/],
  ['client/bad.ts', "export type X = import('../agent/host/exec.ts').Exec;", /client\/ imports api\/ only/],
  [
    'control/controllers/bad.ts',
    "import { x } from '#control/apiserver/registry/registry.ts';",
    /Controllers reach objects through client/,
  ],
  ['control/controllers/bad.ts', "import { x } from '../store/store.ts';", /Controllers reach objects through client/],
  ['control/controllers/bad.ts', "import { x } from '../server.ts';", /Controllers reach objects through client/],
  [
    'control/scheduler/filter/bad.ts',
    "import { x } from '../../apiserver/registry.ts';",
    /scheduler reaches objects through client/,
  ],
  ['control/scheduler/bad.ts', "import { x } from '#control/controllers/pods.ts';", /scheduler reaches objects through client/],
  ['control/store/bad.ts', "import { x } from '../apiserver/watch-cache.ts';", /store knows nothing/],
  ['control/apiserver/bad.ts', "import { x } from '#control/scheduler/queue.ts';", /stands on the store alone/],
  ['control/apiserver/kinds/bad.ts', "import { x } from '../../../agent/host/exec.ts';", /stands on the store alone/],
  ['control/bad.ts', "import { x } from '#agent/agent.ts';", /control\/ imports api\/ and client/],
  ['agent/bad.ts', "import { x } from '#control/server.ts';", /agent\/ imports api\/ and client/],
  ['agent/host/bad.ts', "import { x } from '../kubelet/paths.ts';", /stands below everything/],
  ['agent/host/bad.ts', "import { x } from '#control/pki/cluster-pki.ts';", /stands below everything/],
  ['agent/kubelet/volumes/bad.ts', "import { x } from '../../proxy/state.ts';", /meet only in agent\/agent\.ts/],
  ['agent/network/bad.ts', "import { x } from '#agent/proxy/state.ts';", /meet only in agent\/agent\.ts/],
  ['agent/proxy/bad.ts', "import { x } from '../network/routes.ts';", /meet only in agent\/agent\.ts/],
  ['agent/proxy/bad.ts', "import { x } from './iptables/ruleset.ts';", /used through agent\/proxy\/backend\.ts/],
  ['agent/proxy/iptables/bad.ts', "import { x } from '../../network/routes.ts';", /knows the proxy alone/],
  ['agent/dns/bad.ts', "import { x } from '../agent.ts';", /meet only in agent\/agent\.ts/],
  ['agent/runtime/cri/bad.ts', "import { x } from '../../kubelet/paths.ts';", /nothing of what drives it/],
  ['agent/kubelet/bad.ts', "import { spawn } from 'child_process';", /only importer of child_process/],
  ['lab/bad.ts', "import { x } from '#control/apiserver/api-server.ts';", /runs no part of the control plane/],
  ['cli/bad.ts', "import { x } from '#test/e2e/cluster.ts';", /Production code imports nothing that tests are made of/],
  ['agent/kubelet/bad.ts', "import { x } from './pods.test.ts';", /Production code imports nothing that tests are made of/],
  ['agent/kubelet/bad.ts', "import { open } from 'node:fs/promises';", /A container may have planted that file/],
  ['agent/kubelet/volumes/bad.ts', "import { mkdir, readFile as read } from 'node:fs/promises';", /A container may have planted/],
  ['agent/kubelet/bad.ts', "import * as fs from 'node:fs';", /A container may have planted/],
  ['agent/runtime/docker/bad.ts', "import fs from 'fs';", /A container may have planted/],
  ['control/apiserver/bad.ts', "import { builtInResources } from '#api/resources.ts';", /take a ResourceCatalog as a parameter/],
  ['api/schema/bad.ts', "import { type Resource, builtInResources } from '../resources.ts';", /take a ResourceCatalog/],
  ['client/bad.ts', "import * as table from '#api/resources.ts';", /take a ResourceCatalog/],
  ['client/bad.ts', "export { builtInResources } from '#api/resources.ts';", /take a ResourceCatalog/],
  ['api/bad.ts', "export * from './resources.ts';", /take a ResourceCatalog/],
  ['control/controllers/bad.ts', "export const x = await import('#api/resources.ts');", /take a ResourceCatalog/],
  ['client/bad.test.ts', "import { builtInResources } from '#api/resources.ts';", /take a ResourceCatalog/],
  ['client/bad.ts', "import { x } from './api.testing.ts';", /Production code imports nothing that tests are made of/],
  ['api/bad.ts', 'export const x = await import(`node:child_process`);', /only importer of child_process/],
  ['api/bad.ts', 'export const x = await import(`#client/clock.ts`);', /api\/ imports nothing of ours/],
  ['api/bad.ts', "import x = require('node:child_process');", /only importer of child_process/],
  ['api/bad.ts', "import { createRequire } from 'node:module';", /hides what is imported/],
  ['api/bad.ts', "export const x = process.getBuiltinModule('node:child_process');", /hides what is imported/],
  ['agent/kubelet/bad.ts', "import { promises } from 'node:fs';", /A container may have planted/],
  ['agent/kubelet/bad.ts', "export const x = await import('node:fs');", /A container may have planted/],
  ['agent/kubelet/bad.ts', "import { x } from './fixtures/pods.ts';", /nothing that tests are made of/],
  ['agent/kubelet/bad.ts', "import { x } from './fixtures.ts';", /nothing that tests are made of/],
  ['agent/kubelet/bad.ts', "import { x } from './fake-runtime.ts';", /nothing that tests are made of/],
  ['agent/proxy/bad.ts', "import { x } from './nftables/table.ts';", /used through agent\/proxy\/backend\.ts/],
  ['agent/proxy/nftables/bad.ts', "import { x } from '../../network/routes.ts';", /knows the proxy alone/],
  ['agent/network-policy/bad.ts', "import { x } from '../proxy/state.ts';", /meet only in agent\/agent\.ts/],
  ['agent/credentials/bad.ts', "import { x } from '../kubelet/paths.ts';", /nothing of the parts that use them/],
  ['control/component-server/bad.ts', "import { x } from '../controllers/index.ts';", /no controller and no scheduler/],
  ['deploy/bad.ts', "import { x } from '#control/server.ts';", /packs the program/],
  ['sim/bad.ts', "import { x } from '#agent/host/exec.ts';", /sim\/ runs the control plane/],
  ['bench/bad.ts', "import { x } from '#sim/world.ts';", /bench\/ measures/],
  ['lab/bad.ts', "import fc from 'fast-check';", /imports no development dependency/],
  ['cli/bad.ts', "export const x = await import('@biomejs/biome/deep');", /imports no development dependency/],
];

const allowed: [file: string, line: string][] = [
  ['api/resource-catalog.ts', "import { builtInResources, type Resource } from './resources.ts';"],
  ['client/good.ts', "import type { Resource } from '#api/resources.ts';"],
  ['client/good.ts', "import { type Resource, type ResourceId } from '#api/resources.ts';"],
  ['client/good.ts', "export type { Resource } from '#api/resources.ts';"],
  ['agent/kubelet/good.ts', "import { mkdir, stat } from 'node:fs/promises';"],
  ['agent/host/good.ts', "import { open } from 'node:fs/promises';"],
  ['agent/kubelet/good.test.ts', "import { open } from 'node:fs/promises';"],
  ['client/good.ts', "import { x } from '#api/meta.ts';"],
  ['control/apiserver/good.ts', "import { x } from '#control/store/store.ts';"],
  ['control/good.ts', "import { x } from './apiserver/api-server.ts';"],
  ['agent/good.ts', "import { x } from './kubelet/kubelet.ts';"],
  ['agent/proxy/good.ts', "import { x } from './iptables/iptables-backend.ts';"],
  ['agent/proxy/iptables/good.ts', "import { x } from '../state.ts';"],
  ['agent/kubelet/good.ts', "import { x } from '#agent/runtime/runtime.ts';"],
  ['agent/host/good.ts', "import { spawn } from 'node:child_process';"],
  ['agent/kubelet/good.test.ts', "import { spawn } from 'node:child_process';"],
  ['agent/kubelet/good.test.ts', "import { x } from '#control/server.ts';"],
  ['agent/kubelet/good.test.ts', "import fc from 'fast-check';"],
  ['lab/good.ts', "import { build } from 'esbuild';"],
];

/** Exports of seams, and whether they lack a docstring. */
const exported: [file: string, text: string, isRefused: boolean][] = [
  ['client/bad.ts', 'export const x = 1;', true],
  ['control/store/bad.ts', 'export interface X {}', true],
  ['agent/runtime/cri/bad.ts', 'export async function x(): Promise<void> {}', true],
  ['control/apiserver/registry/bad.ts', "/** A header is no docstring. */\nimport '#api/meta.ts';\nexport class X {}", true],
  ['control/apiserver/registry/good.ts', '/** What it guarantees. */\nexport class X {}', false],
  ['client/good.ts', '/** Twice the number. */\nexport const twice = (x: number): number => x * 2;', false],
  ['client/good.testing.ts', 'export const x = 1;', false],
  ['api/cel/bad.ts', 'export type X = string;', true],
  ['control/controllers/job/bad.ts', 'export const x = 1;', true],
  ['control/scheduler/score/bad.ts', 'export abstract class X {}', true],
  ['agent/dns/bad.ts', 'export enum X {}', true],
  ['cli/bad.ts', 'export const x = 1;', true],
  ['lab/good.ts', 'export const x = 1;', false],
];

describe('the lint', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tinker-lint-'));
  after(() => rmSync(folder, { recursive: true }));
  for (const path of ['.oxlintrc.json', 'lint']) cpSync(join(root, path), join(folder, path), { recursive: true });
  for (const path of ['node_modules', 'tsconfig.json', 'package.json']) symlinkSync(join(root, path), join(folder, path));
  // Each sample gets its own file, so that the findings can be told apart.
  const samples = [...refused, ...allowed, ...exported].map(([file, line], index) => {
    const name = file.replace(/(bad|good)/, `$1-${index}`);
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), `${line}\n`);
    return name;
  });
  const oxlint = join(root, 'node_modules/.bin/oxlint');
  const folders = [...new Set(samples.map((path) => path.slice(0, path.indexOf('/'))))];
  const { stdout, stderr } = spawnSync(oxlint, ['--format=json', ...folders], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 16 << 20,
  });
  const { diagnostics } = JSON.parse(stdout || stderr) as { diagnostics: { code: string; message: string; filename: string }[] };
  const found = (name: string, rule = 'boundaries'): string[] =>
    diagnostics
      .filter(({ code, filename }) => code === `tinkernetes(${rule})` && filename === name)
      .map(({ message }) => message);

  for (const [index, [file, line, why]] of refused.entries()) {
    it(`refuses in ${file}: ${line}`, () => assert.match(found(samples[index] as string).join('\n'), why));
  }
  for (const [index, [file, line]] of allowed.entries()) {
    it(`allows in ${file}: ${line}`, () => assert.deepEqual(found(samples[refused.length + index] as string), []));
  }
  for (const [index, [file, text, isRefused]] of exported.entries()) {
    it(`${isRefused ? 'asks for' : 'does not miss'} a docstring in ${file}: ${text}`, () => {
      const findings = found(samples[refused.length + allowed.length + index] as string, 'docstrings');
      assert.equal(findings.length, isRefused ? 1 : 0);
    });
  }
});
