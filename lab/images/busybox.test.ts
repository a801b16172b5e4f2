import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type Exec, ExecError } from '#agent/host/exec.ts';
import { debianMirrors, findBusybox } from './busybox.ts';

const ok = (stdout: string) => ({ exitCode: 0, stdout, stderr: '' });
const archive = 'the package';
const pinned = { file: 'pool/main/b/busybox/b_1.37+b9.deb', sha256: createHash('sha256').update(archive).digest('hex') };

describe("the images' busybox", () => {
  let cache: string;
  beforeEach(() => {
    cache = mkdtempSync(join(tmpdir(), 'tinker-busybox-'));
  });
  afterEach(() => rmSync(cache, { recursive: true }));

  /** A machine with this busybox and these mirrors of Debian, each with the content that it serves. */
  function machine(version: string, mirrors: Record<string, string>): { exec: Exec; calls: string[] } {
    const calls: string[] = [];
    const exec: Exec = async (argv, _options) => {
      const [program = '', ...args] = argv;
      calls.push(argv.join(' '));
      if (args[0] === '--help')
        return ok(`BusyBox v${program === '/installed' ? version : '1.37'}.0 (Debian) multi-call binary.\n`);
      if (program === 'apt-get')
        return ok(
          Object.keys(mirrors)
            .map((uri) => `${uri}|Debian|Debian|main\n`)
            .join(''),
        );
      if (program === '/usr/lib/apt/apt-helper') {
        const [uri = '', target = '', sum] = args.slice(args.indexOf('download-file') + 1);
        assert.equal(sum, `SHA256:${pinned.sha256}`);
        const content = Object.entries(mirrors).find(([mirror]) => uri === `${mirror}pool/main/b/busybox/b_1.37%2bb9.deb`)?.[1];
        if (content === undefined || content === '')
          throw new ExecError(argv, { exitCode: 100, stdout: '', stderr: `E: Failed to fetch ${uri}  404  Not Found\n` });
        writeFileSync(target, content);
      }
      if (program === 'dpkg-deb') {
        mkdirSync(`${args[2]}/usr/bin`, { recursive: true });
        writeFileSync(`${args[2]}/usr/bin/busybox`, 'binary');
      }
      if (program === 'install') writeFileSync(args.at(-1) ?? '', 'binary');
      return ok('');
    };
    return { exec, calls };
  }
  const find = (exec: Exec) => findBusybox({ exec, cache, installedPath: '/installed', package: pinned });

  it('is the installed one when that is new enough', async () => {
    const { exec, calls } = machine('1.38', { 'http://one/debian/': archive });
    assert.deepEqual(await find(exec), { path: '/installed', version: '1.38', note: undefined });
    assert.equal(calls.length, 1);
  });

  it('comes from the first mirror that has it, and is cached', async () => {
    const { exec, calls } = machine('1.35', { 'http://one/debian/': '', 'http://two/debian/': archive });
    const { path, version, note } = await find(exec);
    assert.deepEqual([version, note, existsSync(path)], ['1.37', undefined, true]);
    calls.length = 0;
    assert.equal((await find(exec)).path, path);
    assert.ok(!calls.some((call) => call.includes('download-file')));
  });

  it('is refused with a wrong checksum', async () => {
    const { exec } = machine('1.35', { 'http://one/debian/': 'something else' });
    const { path, version, note } = await find(exec);
    assert.deepEqual([path, version], ['/installed', '1.35']);
    assert.match(note ?? '', /busybox in the images is 1.35: its wget crashes on -T .* what came has another checksum/);
    assert.deepEqual(readdirSync(cache), []);
  });

  it('is the installed one when no mirror has it, with a note that names the package and each mirror’s answer', async () => {
    const { exec } = machine('1.35', { 'http://one/debian/': '' });
    assert.match((await find(exec)).note ?? '', /\(b_1.37\+b9.deb\) cannot be had from apt's mirrors: .*404 {2}Not Found/);
  });

  it('is the installed one when apt itself fails', async () => {
    const { exec } = machine('1.35', {});
    const broken: Exec = async (argv, options) => {
      if (argv[0] === 'apt-get') throw new ExecError(argv, { exitCode: 100, stdout: '', stderr: 'E: Malformed line 1' });
      return await exec(argv, options);
    };
    assert.match((await find(broken)).note ?? '', /A newer one cannot be had: .*E: Malformed line 1/);
  });

  it('is the installed one when apt knows no mirror of Debian', async () => {
    const { exec } = machine('1.30', {});
    assert.match((await find(exec)).note ?? '', /apt is set up with no mirror of Debian/);
  });
});

describe("Debian's mirrors of this machine", () => {
  it('are the distinct ones of the main archive, in order; a list of mirrors is read', async (t) => {
    const list = join(mkdtempSync(join(tmpdir(), 'tinker-mirrors-')), 'debian.list');
    t.after(() => rmSync(join(list, '..'), { recursive: true }));
    writeFileSync(list, '# near\nhttps://near/debian\tpriority:1\n\nhttp://far/debian/\n');
    const lines = [
      'http://security/debian-security/|Debian|Debian-Security|main',
      `mirror+file:${list}/|Debian|Debian|main`,
      'http://far/debian/|Debian|Debian|main',
      'http://far/debian/|Debian|Debian|contrib',
      'https://docker/linux/debian/|Docker|Docker CE|stable',
      'http://new/debian/|||main',
      'http://archive/ubuntu/|Ubuntu|Ubuntu|main',
    ];
    assert.deepEqual(await debianMirrors(async () => ok(lines.join('\n'))), [
      'https://near/debian/',
      'http://far/debian/',
      'http://new/debian/',
    ]);
  });
});
