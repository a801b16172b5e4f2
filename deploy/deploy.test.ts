import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execFile } from '#agent/host/exec.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

describe('deployment files', () => {
  let scratch: string;
  before(() => {
    scratch = mkdtempSync(join(tmpdir(), 'tinker-deploy-'));
  });
  after(() => rmSync(scratch, { recursive: true }));

  it('has a Vagrantfile that vagrant accepts', async () => {
    // In a copy of the files, because vagrant leaves a .vagrant folder behind.
    cpSync(join(root, 'deploy'), join(scratch, 'deploy'), { recursive: true });
    cpSync(join(root, 'Vagrantfile'), join(scratch, 'Vagrantfile'));
    const env = { VAGRANT_CWD: scratch, VAGRANT_HOME: join(scratch, 'home'), HOME: scratch };
    const { stdout } = await execFile(['vagrant', 'validate', '--ignore-provider'], { env, cwd: scratch });
    assert.match(stdout, /Vagrantfile validated successfully/);
  });

  it('names only provisioning scripts that exist', () => {
    const scripts = [...readFileSync(join(root, 'Vagrantfile'), 'utf8').matchAll(/path: "([^"]+)"/g)].map(
      ([, path]) => path as string,
    );
    assert.equal(scripts.length, 2);
    for (const script of scripts) assert.match(readFileSync(join(root, script), 'utf8'), /^#!\/bin\/sh\n/);
  });

  it('has systemd units that systemd accepts, with flags that tinker accepts', async () => {
    const units = readdirSync(join(root, 'deploy/systemd'));
    assert.deepEqual(units.sort(), ['tinker-agent.service', 'tinker-server.service']);
    for (const unit of units) {
      const text = readFileSync(join(root, 'deploy/systemd', unit), 'utf8');
      // The unit as it is installed, but with the path of this checkout.
      writeFileSync(join(scratch, unit), text.replaceAll('/opt/tinkernetes/', root));
      const { stderr } = await execFile(['systemd-analyze', 'verify', join(scratch, unit)]);
      assert.equal(stderr, '');
      const command = /tinker (server|agent)/.exec(text)?.[1] as string;
      const help = await execFile([process.execPath, '--no-warnings', join(root, 'cli/tinker.ts'), command, '--help']);
      for (const [flag] of text.matchAll(/--[a-z-]+/g)) assert.ok(help.stdout.includes(flag), `tinker ${command} knows ${flag}`);
    }
  });
});
