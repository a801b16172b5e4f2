import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Exec, ExecError, execFile } from '#agent/host/exec.ts';
import { checkSystem, installPackages, type Machine, UsageError } from './system.ts';

const debian = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n';
const good: Machine = { platform: 'linux', uid: 0, osRelease: debian, hasAptGet: true, hasCapability: () => true };

describe('checkSystem', () => {
  const accepted: [string, Partial<Machine>][] = [
    ['Debian 12', {}],
    ['Debian without a number (testing)', { osRelease: 'ID=debian\nPRETTY_NAME="Debian GNU/Linux forky/sid"\n' }],
    ['Ubuntu 22.04', { osRelease: 'ID=ubuntu\nVERSION_ID="22.04"\n' }],
    ['a relative of theirs', { osRelease: 'ID=linuxmint\nVERSION_ID="21"\nID_LIKE="ubuntu debian"\n' }],
  ];
  for (const [name, machine] of accepted) it(`accepts ${name}`, () => checkSystem({ ...good, ...machine }));

  const refused: [string, Partial<Machine>, RegExp][] = [
    ['macOS', { platform: 'darwin' }, /^Tinkernetes runs its nodes on Linux, not on darwin: use the Vagrantfile/],
    ['a user who is not root', { uid: 1000 }, /need root: run it with sudo\.$/],
    [
      'Debian 11',
      { osRelease: debian.replaceAll('12', '11') },
      /^Debian GNU\/Linux 11 \(bookworm\) is not supported: use Debian 12 or newer/,
    ],
    [
      'Ubuntu 20.04',
      { osRelease: 'ID=ubuntu\nVERSION_ID="20.04"\nPRETTY_NAME="Ubuntu 20.04 LTS"\n' },
      /^Ubuntu 20\.04 LTS is not supported/,
    ],
    [
      'Fedora',
      { osRelease: "PRETTY_NAME='Fedora Linux 44'\nID=fedora\n", hasAptGet: false },
      /^Fedora Linux 44 is not supported/,
    ],
    ['a system without a name', { osRelease: '', hasAptGet: false }, /^This system is not supported/],
    ['a container without rights', { hasCapability: (name) => name === 'CAP_NET_ADMIN' }, /lacks CAP_SYS_ADMIN\).*--privileged/],
  ];
  for (const [name, machine, message] of refused) {
    it(`refuses ${name}`, () => assert.throws(() => checkSystem({ ...good, ...machine }), isUsageError(message)));
  }
});

describe('installing packages', () => {
  let scratch: string;
  before(() => {
    scratch = mkdtempSync(join(tmpdir(), 'tinker-apt-'));
  });
  after(() => rmSync(scratch, { recursive: true }));

  it('reports a missing network, in one line, when apt-get cannot download', async () => {
    for (const folder of ['state/lists/partial', 'cache/archives/partial', 'parts'])
      mkdirSync(join(scratch, folder), { recursive: true });
    writeFileSync(join(scratch, 'sources.list'), 'deb [trusted=yes] http://127.0.0.1:9/debian stable main\n');
    writeFileSync(join(scratch, 'status'), '');
    writeFileSync(
      join(scratch, 'apt.conf'),
      [
        `Dir::Etc::sourcelist "${scratch}/sources.list";`,
        `Dir::Etc::sourceparts "${scratch}/parts";`,
        `Dir::State "${scratch}/state";`,
        `Dir::State::status "${scratch}/status";`,
        `Dir::Cache "${scratch}/cache";`,
        'Acquire::Retries "0";',
        'Acquire::http::Proxy "DIRECT";',
        'Debug::NoLocking "1";',
      ].join('\n'),
    );
    const exec: Exec = (argv, options) =>
      execFile(argv, { ...options, env: { ...options?.env, APT_CONFIG: join(scratch, 'apt.conf') } });
    await assert.rejects(
      installPackages(['runc', 'conntrack'], exec),
      isUsageError(
        /^apt-get cannot install runc, conntrack: Failed to fetch http:\/\/127\.0\.0\.1:9\/.*\. Check the network and /,
      ),
    );
  });

  const failures: [string, string, RegExp][] = [
    [
      'names a package that does not exist',
      'E: Unable to locate package runc',
      /^apt-get cannot install runc: Unable to locate package runc\. Look at /,
    ],
    [
      'tells to wait for another program that holds the lock',
      'E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 12 (unattended-upgr)\nE: Unable to acquire the dpkg frontend lock',
      /^apt-get is in use by another program \(E: Could not get lock .*unattended-upgr\)\): wait/,
    ],
    [
      'tells how to go on after one that was interrupted',
      "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem.",
      /^An earlier installation of packages was interrupted: run "dpkg --configure -a", then run this again\.$/,
    ],
  ];
  for (const [name, stderr, message] of failures) {
    it(name, async () => {
      const exec: Exec = async (argv) => {
        if (argv.includes('install')) throw new ExecError(argv, { exitCode: 100, stdout: '', stderr });
        return { exitCode: 0, stdout: '', stderr: '' };
      };
      await assert.rejects(installPackages(['runc'], exec), isUsageError(message));
    });
  }

  it('does not remove other packages', async () => {
    const calls: string[][] = [];
    const exec: Exec = async (argv) => {
      calls.push([...argv]);
      const stdout = 'Remv containerd.io [1.7.27-1]\nRemv docker-ce [5:28.1.1-1]\nInst runc (1.1.5 Debian:12/stable)\n';
      return { exitCode: 0, stdout: argv.includes('--simulate') ? stdout : '', stderr: '' };
    };
    await assert.rejects(
      installPackages(['runc'], exec),
      isUsageError(/^To install runc, apt-get would remove containerd\.io, docker-ce: install them yourself/),
    );
    assert.deepEqual(
      calls.filter((argv) => argv.includes('install') && !argv.includes('--simulate')),
      [],
    );
  });

  it('lets busybox-static take the place of busybox', async () => {
    let installed = false;
    const exec: Exec = async (argv) => {
      installed ||= argv.includes('install') && !argv.includes('--simulate');
      return { exitCode: 0, stdout: 'Remv busybox [1:1.35.0-4]\nInst busybox-static (1:1.35.0-4)\n', stderr: '' };
    };
    await installPackages(['busybox-static'], exec);
    assert.equal(installed, true);
  });

  it('does nothing when no package is missing', async () => {
    await installPackages([], () => assert.fail('apt-get was called'));
  });
});

function isUsageError(message: RegExp) {
  return (error: unknown): true => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, message);
    assert.ok(!error.message.includes('\n'), 'one line');
    return true;
  };
}
