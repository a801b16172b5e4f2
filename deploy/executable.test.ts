/** The executable and the Debian package, as `npm run build` and `npm run package` make them. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { type ExecError, execFile } from '#agent/host/exec.ts';
import { version } from '#cli/version.ts';
import { distFolder } from '#lab/program.ts';
import { describeControlPlane } from '#test/components/control-plane.suite.ts';
import { buildPackage } from './debian/package.ts';
import { unitFiles } from './debian/units.ts';
import { type Architecture, buildExecutables, executablePath, programNames } from './executable.ts';

const linked = (name: string): string => join(distFolder, 'bin', name);
const components = programNames.filter((name) => name !== 'tinker');
/** The executable takes its time to start on a busy machine. */
const patient = { timeoutMs: 120_000 };

describe('the executable', () => {
  before(async () => {
    await buildExecutables(execFile);
  });

  it('is tinker by its own name and by a link', async () => {
    for (const path of [executablePath(), linked('tinker')])
      assert.equal((await execFile([path, '--version'], patient)).stdout, `${version}\n`);
    const { stdout } = await execFile([linked('tinker'), 'kube-scheduler', '--version'], patient);
    assert.equal(stdout, `Kubernetes v1.36.0+tinkernetes${version}\n`);
  });

  for (const name of components) {
    it(`is ${name} by that name`, async () => {
      assert.equal((await execFile([linked(name), '--version'], patient)).stdout, `Kubernetes v1.36.0+tinkernetes${version}\n`);
      const help = await execFile([linked(name), '--help'], patient);
      assert.match(help.stdout, new RegExp(`^Usage:\n  ${name} \\[flags\\]\n\n[A-Z][a-z- ]+ flags:\n\n {6}--`, 'm'));
      await assert.rejects(
        execFile([linked(name), '--kubeconfg=x'], patient),
        ({ result }: ExecError) => result.exitCode === 1 && result.stderr.startsWith('Error: unknown flag: --kubeconfg'),
      );
    });
  }

  describeControlPlane((component) => [linked(component)]);
});

describe('the Debian package', () => {
  let scratch: string;
  let tree: string;
  before(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'tinker-package-'));
    const path = await buildPackage(process.arch as Architecture, scratch, execFile);
    tree = join(scratch, 'tree');
    await execFile(['dpkg-deb', '--extract', path, tree], patient);
    await execFile(['dpkg-deb', '--control', path, join(scratch, 'control')], patient);
  });
  after(() => rmSync(scratch, { recursive: true, force: true }));

  it('says what it is and what it needs', () => {
    const control = readFileSync(join(scratch, 'control/control'), 'utf8');
    assert.match(control, new RegExp(`^Version: ${version}$`, 'm'));
    assert.match(control, /^Architecture: (amd64|arm64)$/m);
    assert.match(control, /^Depends: .*libatomic1.*iptables/m);
  });

  it('has a link by each name to one executable that runs', async () => {
    for (const name of programNames) assert.equal(readlinkSync(join(tree, 'usr/bin', name)), '../lib/tinkernetes/tinkernetes');
    assert.equal(statSync(join(tree, 'usr/lib/tinkernetes/tinkernetes')).mode & 0o7777, 0o755);
    const { stdout } = await execFile([join(tree, 'usr/bin/kube-proxy'), '--version'], patient);
    assert.match(stdout, /^Kubernetes v1\.36/);
  });

  it('has units that systemd accepts', async () => {
    const folder = join(tree, 'lib/systemd/system');
    assert.deepEqual(readdirSync(folder).sort(), Object.keys(unitFiles()).sort());
    const units = readdirSync(folder).map((name) => join(folder, name));
    const verify = ['systemd-analyze', 'verify', '--root', tree, '--recursive-errors=no', '--man=no', ...units];
    const { stderr } = await execFile(verify).catch((error: unknown) => (error as ExecError).result);
    // The tree has no other units and no other programs: what it says of those is not about ours.
    const ours = stderr
      .split('\n')
      .filter((line) => /(kube|tinker)[a-z-]*\.service/.test(line) && !/Failed to (add|create)|not found/.test(line));
    assert.deepEqual(ours, []);
  });

  it('has a unit only with flags that its program knows', async () => {
    for (const [file, text] of Object.entries(unitFiles())) {
      const [, command = ''] = /^ExecStart=\/usr\/bin\/(.*)$/m.exec(text) ?? [];
      const [program = '', ...words] = command.split(' ');
      const sub = words[0]?.startsWith('-') === true || words[0]?.startsWith('$') === true ? [] : words.slice(0, 1);
      const help = await execFile([linked(program), ...sub, '--help'], patient);
      for (const [flag] of command.matchAll(/--[a-z-]+/g)) assert.ok(help.stdout.includes(flag), `${file}: ${flag}`);
    }
  });

  it('has a manual page and completions of each program', async () => {
    for (const name of programNames) {
      const page = gunzipSync(readFileSync(join(tree, `usr/share/man/man8/${name}.8.gz`))).toString();
      assert.match(page, /^\.TH /);
      assert.match(page, name === 'tinker' ? /^\.SS server$[\s\S]*^\.SS store backup$/m : /\\-\\-kubeconfig|\\-\\-secure\\-port/);
      const completion = join(tree, 'usr/share/bash-completion/completions', name);
      assert.ok(existsSync(completion));
      const word = name === 'tinker' ? 'ser' : '--v';
      const script = `. ${completion}; COMP_WORDS=(${name} ${word}); COMP_CWORD=1; _${name.replaceAll('-', '_')}; echo "\${COMPREPLY[@]}"`;
      const { stdout } = await execFile(['bash', '-c', script]);
      assert.match(stdout, name === 'tinker' ? /\bserver\b/ : /--version/);
    }
  });
});
