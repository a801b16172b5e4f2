/** `bin/tinker` takes the lab's commands from the sources, because the bundle has no lab. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { createLabCommands } from './lab-commands.ts';

const tinker = fileURLToPath(new URL('../bin/tinker', import.meta.url));

describe("bin/tinker, with the lab's commands", () => {
  const folder = mkdtempSync(join(tmpdir(), 'bin-tinker-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const program = new Command();
  createLabCommands(program);
  for (const command of program.commands) {
    it(`finds ${command.name()}`, () => {
      // A flag that there is not: nothing is started, and its text comes from the sources.
      const { stderr, status } = spawnSync(tinker, [command.name(), '--no-such-flag'], { encoding: 'utf8', cwd: folder });
      assert.notEqual(status, 0);
      assert.match(stderr, /unknown option '--no-such-flag'/);
    });
    if (command.name() === 'up') continue;
    it(`runs ${command.name()} for a lab that there is not`, () => {
      const host = command.registeredArguments.map(() => 'worker-1').slice(0, 1);
      const { stderr, stdout } = spawnSync(tinker, [command.name(), '--name=none', `--data-dir=${folder}/lab`, ...host], {
        encoding: 'utf8',
        cwd: folder,
      });
      assert.doesNotMatch(stderr + stdout, /has no lab|not built/);
    });
  }
});
