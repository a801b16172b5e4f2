import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import {
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { agentContext, agentUsers } from '#api/agent-users.ts';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { type ClusterPki, loadClusterPki } from './cluster-pki.ts';
import { nodeCredentials } from './node-credentials.ts';
import { PkiError } from './pki-files.ts';

const nowMs = Date.UTC(2026, 5, 1);
const run = (program: string, args: readonly string[]): Buffer => execFileSync(program, args, { stdio: 'pipe' });
const names = { dnsNames: ['kubernetes.default.svc'], ipAddresses: ['10.96.0.1', '10.9.0.1'] };

describe('cluster PKI', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tinker-pki-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('signs the server certificate with the CA, for the names asked for', async () => {
    const pki = await loadClusterPki({ folder, nowMs, ...names });
    const certificate = new X509Certificate(pki.apiserver.certificate);
    assert.ok(certificate.verify(new X509Certificate(pki.ca.certificate).publicKey));
    assert.equal(certificate.checkHost('kubernetes.default.svc'), 'kubernetes.default.svc');
    assert.equal(certificate.checkIP('10.9.0.1'), '10.9.0.1');
  });

  it('keeps what it made, with keys that only the owner may read', async () => {
    const first = await loadClusterPki({ folder, nowMs, ...names });
    const second = await loadClusterPki({ folder, nowMs, ...names });
    assert.deepEqual(second, first);
    assert.equal(statSync(join(folder, 'ca.key')).mode & 0o777, 0o600);
  });

  for (const [why, change] of [
    ['a name is missing', { ipAddresses: ['10.9.0.2'] }],
    ['it is about to expire', { nowMs: nowMs + 350 * 86_400_000 }],
  ] as const) {
    it(`makes the server certificate anew when ${why}, and keeps the CA`, async () => {
      const first = await loadClusterPki({ folder, nowMs, ...names });
      const second = await loadClusterPki({ folder, nowMs, ...names, ...change });
      assert.deepEqual(second.ca, first.ca);
      assert.notEqual(second.apiserver.certificate, first.apiserver.certificate);
    });
  }

  it('makes a certificate anew that does not belong to the key beside it, as after a crash while writing them', async () => {
    const first = await loadClusterPki({ folder, nowMs, ...names });
    writeFileSync(join(folder, 'apiserver.key'), first.kubeletClient.key);
    const { apiserver } = await loadClusterPki({ folder, nowMs, ...names });
    assert.ok(new X509Certificate(apiserver.certificate).checkPrivateKey(createPrivateKey(apiserver.key)));
  });

  /** A PKI in `folder`: the same for all tests, for making an RSA key takes a while. */
  let template: string;
  before(async () => {
    template = mkdtempSync(join(tmpdir(), 'tinker-pki-'));
    await loadClusterPki({ folder: template, nowMs, ...names });
  });
  after(() => rmSync(template, { recursive: true }));
  const startWithPki = async (): Promise<ClusterPki> => {
    cpSync(template, folder, { recursive: true });
    return await loadClusterPki({ folder, nowMs, ...names });
  };

  /** Every file of the folder with its content, or what else it is. */
  const snapshot = (): Record<string, string> =>
    Object.fromEntries(
      readdirSync(folder, { withFileTypes: true }).map((entry) => [
        entry.name,
        entry.isFile() ? `${statSync(join(folder, entry.name)).mode} ${readFileSync(join(folder, entry.name), 'utf8')}` : 'other',
      ]),
    );
  const at = (name: string): string => join(folder, name);
  const refused = async (file: string, message: RegExp, more: object = {}): Promise<void> => {
    const before = snapshot();
    await assert.rejects(loadClusterPki({ folder, nowMs, ...names, ...more }), (error) => {
      assert.ok(error instanceof PkiError, String(error));
      assert.ok(error.message.includes(at(file)), error.message);
      assert.match(error.message, message);
      return true;
    });
    assert.deepEqual(snapshot(), before);
  };

  const halves: [missing: string, there: string][] = [
    ['ca.crt', 'ca.key'],
    ['ca.key', 'ca.crt'],
    ['sa.key', 'sa.pub'],
    ['sa.pub', 'sa.key'],
  ];
  for (const [missing, there] of halves) {
    it(`refuses ${there} without ${missing}, and makes nothing in its place`, async () => {
      await startWithPki();
      rmSync(at(missing));
      // What could be made anew is not made either.
      rmSync(at('apiserver.crt'));
      await refused(missing, new RegExp(`${missing} is missing, but .*${there} is there: .*move .* away to start with`));
    });
  }

  const anyKey = /is not a private key in PEM: nothing was changed; restore it from a backup/;
  const damages: [what: string, file: string, damage: (path: string) => void, message: RegExp][] = [
    ...['ca.key', 'ca.crt', 'sa.key', 'sa.pub', 'apiserver.key', 'apiserver.crt', 'apiserver-kubelet-client.key'].flatMap(
      (file): [string, string, (path: string) => void, RegExp][] => [
        [`${file}, empty`, file, (path) => writeFileSync(path, ''), /is empty: nothing was changed/],
        [`${file}, blank`, file, (path) => writeFileSync(path, '\n \n'), /is empty: nothing was changed/],
        [
          `${file}, that is none`,
          file,
          (path) => writeFileSync(path, 'not PEM\n'),
          /is not a (private key|certificate|public key) in PEM/,
        ],
        [`${file}, cut short`, file, (path) => truncateSync(path, 60), /is not a (private key|certificate|public key) in PEM/],
        [`${file}, too large`, file, (path) => truncateSync(path, 2 << 20), /is too large for a key or certificate/],
        [`${file}, a folder`, file, (path) => replaceBy(path, () => mkdirSync(path)), /is a folder, not a file/],
        [`${file}, a pipe`, file, (path) => replaceBy(path, () => run('mkfifo', [path])), /is not a file/],
        [
          `${file}, a link to itself`,
          file,
          (path) => replaceBy(path, () => symlinkSync(path, path)),
          /its link leads back to itself/,
        ],
      ],
    ),
    ['ca.key, a certificate', 'ca.key', (path) => copyFileSync(at('ca.crt'), path), anyKey],
    [
      'ca.key, another key',
      'ca.key',
      (path) => copyFileSync(at('apiserver.key'), path),
      /ca.key is not the key of the certificate .*ca.crt/,
    ],
    [
      'sa.pub, of another key',
      'sa.pub',
      (path) => writeFileSync(path, publicKeyOf(at('ca.key'))),
      /sa.key is not the key to .*sa.pub/,
    ],
    [
      'sa.key, of a type that signs no tokens',
      'sa.key',
      (path) => writeFileSync(path, generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })),
      /tokens are signed with RSA or ECDSA/,
    ],
    [
      'ca.crt, the certificate of no CA',
      'ca.crt',
      (path) => {
        copyFileSync(at('apiserver.crt'), path);
        copyFileSync(at('apiserver.key'), at('ca.key'));
      },
      /is not the certificate of a CA/,
    ],
    [
      'ca.key, of a type that signs no certificates',
      'ca.key',
      (path) => writeFileSync(path, generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })),
      /signed with RSA or ECDSA/,
    ],
  ];
  const replaceBy = (path: string, make: () => void): void => {
    rmSync(path);
    make();
  };
  const publicKeyOf = (path: string): string =>
    createPublicKey(readFileSync(path, 'utf8')).export({ type: 'spki', format: 'pem' }) as string;
  for (const [what, file, damage, message] of damages) {
    it(`refuses ${what}: names the file, and changes nothing`, async () => {
      await startWithPki();
      damage(at(file));
      await refused(file, message);
    });
  }

  it('refuses a CA that has expired, or is not valid yet: tells the machine’s time, which may be wrong', async () => {
    await startWithPki();
    const years = (count: number) => ({ nowMs: nowMs + count * 366 * 86_400_000 });
    await refused('ca.crt', /expired on 2036-.*this machine's clock says 2036-.*set it, if it is wrong/, years(10));
    await refused('ca.crt', /is valid only from 2026-.* on; this machine's clock says 2025-/, years(-1));
  });

  it('refuses files that this user may not read', {
    skip: process.getuid?.() !== 0 && 'only root can become another user',
  }, async () => {
    await startWithPki();
    chownSync(folder, 65534, 65534);
    process.seteuid?.(65534);
    try {
      await assert.rejects(
        loadClusterPki({ folder, nowMs, ...names }),
        /ca.key cannot be read: this user may not use it; check the owner/,
      );
    } finally {
      process.seteuid?.(0);
    }
  });

  for (const [key, publicPart] of [
    ['ca.key', 'ca.crt'],
    ['sa.key', 'sa.pub'],
    ['apiserver.key', 'apiserver.crt'],
  ] as const) {
    it(`goes on after a crash while ${key} and ${publicPart} were written`, async () => {
      const made = await startWithPki();
      // Between the two names.
      renameSync(at(publicPart), at(`${publicPart}.new`));
      assert.deepEqual(await loadClusterPki({ folder, nowMs, ...names }), made);
      assert.deepEqual(
        readdirSync(folder).filter((name) => name.endsWith('.new')),
        [],
      );
      // Before the first: what nobody has seen yet is made again.
      for (const name of [key, publicPart]) renameSync(at(name), at(`${name}.new`));
      const again = await loadClusterPki({ folder, nowMs, ...names });
      assert.notDeepEqual(again, made);
      assert.deepEqual(await loadClusterPki({ folder, nowMs, ...names }), again);
    });
  }

  it('does not take a left-over certificate that belongs to another key', async () => {
    const made = await startWithPki();
    rmSync(at('ca.crt'));
    writeFileSync(at('ca.crt.new'), made.apiserver.certificate);
    await refused('ca.crt', /ca.crt is missing, but .*ca.key is there/);
  });

  it('on a full disk, names the file that cannot be written, and goes on once there is space', async (t) => {
    const disk = mkdtempSync(join(tmpdir(), 'tinker-pki-full-'));
    run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]);
    t.after(() => {
      run('umount', [disk]);
      rmSync(disk, { recursive: true });
    });
    const [pki, filler] = [join(disk, 'pki'), join(disk, 'filler')];
    for (let free = 0; free < 10; free++) {
      const { bsize, bfree } = statfsSync(disk);
      writeFileSync(filler, Buffer.alloc(Math.max(0, bfree - free) * bsize));
      const before = existsSync(join(pki, 'ca.crt')) ? readFileSync(join(pki, 'ca.crt'), 'utf8') : undefined;
      const result = await loadClusterPki({ folder: pki, nowMs, ...names }).catch((error: unknown) => error);
      if (result instanceof Error)
        assert.match(
          result.message,
          /pki\/\S+\.(key|crt|pub) cannot be written: no space is left on the disk; free some and start again/,
        );
      if (before !== undefined) assert.equal(readFileSync(join(pki, 'ca.crt'), 'utf8'), before);
      assert.deepEqual(
        readdirSync(pki).filter((name) => name.endsWith('.new')),
        [],
      );
      if (free === 0) assert.ok(result instanceof PkiError);
      rmSync(filler);
    }
    await loadClusterPki({ folder: pki, nowMs, ...names });
  });

  it('signs with a CA that kubeadm made: RSA, its key in PKCS #1', async () => {
    run('openssl', ['genrsa', '-traditional', '-out', at('ca.key'), '2048']);
    run('openssl', [
      'req',
      '-x509',
      '-new',
      '-key',
      at('ca.key'),
      '-subj',
      '/CN=kubernetes',
      '-days',
      '3650',
      '-out',
      at('ca.crt'),
    ]);
    assert.match(readFileSync(at('ca.key'), 'utf8'), /BEGIN RSA PRIVATE KEY/);
    const now = Date.now() + 60_000;
    const pki = await loadClusterPki({ folder, nowMs: now, ...names });
    const certificate = new X509Certificate(pki.apiserver.certificate);
    assert.ok(certificate.verify(new X509Certificate(pki.ca.certificate).publicKey));
    assert.deepEqual(await loadClusterPki({ folder, nowMs: now, ...names }), pki);
  });

  it('issues node credentials: a kubeconfig for system:node:<name> and a serving certificate for its address', async () => {
    const out = join(folder, 'out');
    await nodeCredentials({
      pkiFolder: folder,
      out,
      nodeName: 'worker-1',
      nodeIp: '10.9.0.11',
      server: 'https://10.9.0.1:6443',
      nowMs,
    });
    const kubeconfig = readFileSync(join(out, 'kubelet.conf'), 'utf8');
    const data = /client-certificate-data: (\S+)/.exec(kubeconfig)?.[1];
    assert.ok(data);
    const client = new X509Certificate(Buffer.from(data, 'base64'));
    assert.deepEqual(client.subject.split('\n').sort(), ['CN=system:node:worker-1', 'O=system:nodes']);
    for (const user of Object.values(agentUsers)) {
      const { cert } = loadKubeconfig(join(out, 'kubelet.conf'), agentContext(user));
      assert.equal(new X509Certificate(cert ?? '').subject, `CN=${user}`);
    }
    assert.equal(new X509Certificate(readFileSync(join(out, 'kubelet.crt'))).checkIP('10.9.0.11'), '10.9.0.11');
  });
});
