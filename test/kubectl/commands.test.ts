/**
 * The newest and the oldest kubectl through every command, against the real API server with its controllers, over HTTPS. Commands that
 * need containers stand in `test/e2e`.
 *
 * The versions between add nothing. All requests of these commands were recorded (method, path, headers, body) for 1.33 to 1.36: 1.35 sends
 * what 1.36 sends, and each request of 1.34 is one of 1.33 (list, then watch; an autoscaler without the alpha fields) or of 1.36 (no
 * `creationTimestamp: null`). `test/e2e/kubectl.suite.ts` runs a user's first commands with all four.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { startWorld } from '#control/controllers/cluster.testing.ts';
import { startKubectl } from '#control/controllers/kubectl.testing.ts';
import { kubectlVersions } from '#lab/kubectl.ts';
import { clusterCommands } from './cluster.suite.ts';
import { readingCommands } from './reading.suite.ts';
import { commandsRun, Session, type Stage } from './session.ts';
import { writingCommands } from './writing.suite.ts';

/** Commands that need running containers or their metrics, with the tests that run them. */
const elsewhere: Readonly<Record<string, string>> = {
  attach: 'test/e2e/pods.suite.ts',
  cp: 'test/e2e/kubectl-containers.suite.ts',
  debug: 'test/e2e/kubectl-containers.suite.ts',
  exec: 'test/e2e/pods.suite.ts',
  logs: 'test/e2e/pods.suite.ts',
  'port-forward': 'test/e2e/pods.suite.ts',
  top: 'test/e2e/kubectl-containers.suite.ts',
  'top node': 'test/e2e/kubectl-containers.suite.ts',
  'top pod': 'test/e2e/kubectl-containers.suite.ts',
};
const written = (words: string): string =>
  words
    .split(' ')
    .map((word) => `'${word}'`)
    .join(', ');

const versions = [kubectlVersions[0], kubectlVersions.at(-1) ?? kubectlVersions[0]];
const parts = { write: writingCommands, read: readingCommands, act: clusterCommands };

describe('kubectl', { timeout: 1_800_000 }, () => {
  let stage: Stage;
  before(async () => {
    const world = await startWorld();
    // Pods that are evicted from a node have somewhere to go; budgets wait for that.
    await world.addNode('spare');
    stage = { world, kubectl: await startKubectl(world) };
  });
  after(async () => {
    await stage.world.stop();
    await stage.kubectl.stop();
  });

  for (const version of versions) {
    for (const [name, part] of Object.entries(parts)) {
      describe(`${version}: ${name}`, () => {
        const session = new Session(version, name, () => stage);
        before(() => session.open());
        part(session);
      });
    }
  }

  it('was run through each command that it has', async () => {
    for (const version of versions) {
      const help = async (command: string): Promise<string[]> => {
        const said = await stage.kubectl.run(`${command} --help`.trim(), '', { version });
        // Below a heading that ends with "Commands", a line begins with two spaces and a name.
        const blocks = said.split(/\n(?=\S)/).filter((block) => /^.*(Commands.*|Subcommands.*):\n/.test(block));
        return blocks.flatMap((block) => [...block.matchAll(/^ {2}([a-z][\w-]+) {2,}/gm)].map(([, name = '']) => name));
      };
      for (const command of await help('')) {
        if (command === 'alpha' || command === 'options' || command === 'help') continue;
        const subs = command === 'plugin' ? ['list'] : await help(command);
        for (const words of [command, ...subs.map((sub) => `${command} ${sub}`)]) {
          const suite = elsewhere[words];
          if (suite === undefined) assert.ok(commandsRun.has(`${version} ${words}`), `${version} ${words}`);
          else assert.ok(readFileSync(new URL(`../../${suite}`, import.meta.url), 'utf8').includes(written(words)), words);
        }
      }
    }
  });
});
